//! What is read.

use std::time::Duration;

use serde_json::json;

use super::{AllowedParams, ListQuery, finish, parse, parser, query};
use crate::{
    api::query::select::{Selection, ShownDocument, Target},
    inventory::model::{Host, Org, SddcEntry, Task},
};

fn canonical(text: &str) -> String {
    finish::<SddcEntry>(parser(AllowedParams::LIST, text), &[]).unwrap().canonical
}

#[test]
fn a_question_has_one_spelling_however_it_is_asked() {
    let one = "state=READY&region=US_WEST_2&state=FAILED&sort=-created_at&q=PROD&fields=name,id";
    let other = "fields=id,name,id&q=prod&state=FAILED&state=READY&sort=-created_at&region=US_WEST_2&\
                 state=%52EADY&partial=allow&wait=5s";
    assert_eq!(canonical(one), canonical(other));
    assert_eq!(
        canonical(one),
        "state=FAILED&state=READY&region=US_WEST_2&q=prod&sort=-created_at&fields=id%2Cname"
    );
    assert_eq!(canonical("host_count=007"), canonical("host_count=7"));
    let (there, here) = ("2025-03-18T04:17:04%2B02:00", "2025-03-18T02:17:04Z");
    assert_eq!(canonical(&format!("created_at={there}")), canonical(&format!("created_at={here}")));
    for plain in ["", "&&", "sort=name", "include_deleted=false", "wait=55s", "partial=allow"] {
        assert_eq!(canonical(plain), "", "{plain}");
    }
    let others = ["q=a", "limit=1", "include=hosts", "include_deleted=true", "fields=id", "id=a"];
    for (at, one) in others.iter().enumerate() {
        assert!(others[at + 1..].iter().all(|other| canonical(one) != canonical(other)));
    }
    assert_eq!(parse::<Task>("sort=-started_at", &[]).unwrap().canonical, "");
    assert_eq!(parse::<Task>("sort=started_at", &[]).unwrap().canonical, "sort=started_at");
}

#[test]
fn bounds_and_exclusions_have_one_spelling_too() {
    let one = "state__not=READY&host_count__gte=07&state__not=FAILED&created_at__lte=2025-03-18T04:17:04%2B02:00";
    assert_eq!(
        canonical(one),
        "state__not=FAILED&state__not=READY&created_at__lte=2025-03-18T02%3A17%3A04Z&host_count__gte=7"
    );
    // The same bound again says nothing new, and a choice of fields is added to.
    assert_eq!(canonical("host_count__lte=7&host_count__lte=7"), "host_count__lte=7");
    assert_eq!(canonical("fields=name&fields=id,name"), canonical("fields=id,name"));
    assert_eq!(canonical("include=hosts&include=clusters"), canonical("include=clusters,hosts"));
    assert_ne!(canonical("host_count__lte=7"), canonical("host_count__gte=7"));
    assert_ne!(canonical("state__not=READY"), canonical("state=READY"));
}

#[test]
fn what_is_no_filter_is_read() {
    let text = "wait=55&partial=allow&include_deleted=true&limit=500&limit=500";
    let question = finish::<SddcEntry>(parser(AllowedParams::LIST, text), &[]).unwrap();
    assert_eq!(question.wait, Some(Duration::from_secs(55)));
    assert!(question.partial && question.include_deleted);
    for (text, wait) in [("0", 0), ("120s", 120), ("1m30s", 90), ("120", 120)] {
        let parser = parser::<SddcEntry>(AllowedParams::LIST, &format!("wait={text}"));
        assert_eq!(finish(parser, &[]).unwrap().wait, Some(Duration::from_secs(wait)), "{text}");
    }
    let target =
        |text| finish::<SddcEntry>(parser(AllowedParams::DISCOVERY, text), &[]).unwrap().target;
    assert_eq!(target("target=vcenter"), Some(Target::Vcenter));
    assert_eq!(target("target=nsx"), Some(Target::Nsx));
}

fn org(id: &str, name: &str, display_name: &str) -> Org {
    let org = json!({
        "id": id, "name": name, "display_name": display_name, "state": "CREATED",
        "type": "CUSTOMER", "created_at": null, "updated_at": null,
    });
    serde_json::from_value(org).unwrap()
}

fn ids(selection: &Selection<'_, Org>) -> Vec<String> {
    selection.items.iter().map(|org| org.id.to_string()).collect()
}

#[test]
fn q_finds_parts_of_names_and_whole_ids_in_any_case() {
    let orgs =
        [org("A1", "short", "Ünited"), org("b1", "prod-eu", "none"), org("c1", "a1-x", "EU")];
    let found = |q: &str| ids(&parse(&format!("q={q}"), &orgs).unwrap().select(orgs.iter()));
    assert_eq!(found("%C3%9CNITED"), ["A1"]);
    assert_eq!(found("eu"), ["c1", "b1"]);
    assert_eq!(found("a1"), ["c1", "A1"]);
    assert_eq!(found("1"), ["c1"]);
    assert!(found("nowhere").is_empty());
}

#[test]
fn fields_are_shown_in_the_documents_order_with_what_is_included_at_the_end() {
    let orgs = [org("a", "x", "X")];
    let question = parse("fields=type,name,id&limit=1", &orgs).unwrap();
    let page = question.select(orgs.iter()).write(Vec::new());
    assert_eq!(
        String::from_utf8(page).unwrap(),
        r#"{"items":[{"id":"a","name":"x","type":"CUSTOMER"}],"next_cursor":null,"completeness":"complete","missing":[]}"#
    );
    let shown: ShownDocument<'_, Org> = question.show(&orgs[0]);
    assert_eq!(json!(shown), json!({"id": "a", "name": "x", "type": "CUSTOMER"}));
}

#[test]
fn the_next_link_is_the_same_question_with_another_cursor() {
    let link = |target: &str| query(target).next_link("new").to_str().unwrap().to_owned();
    assert_eq!(link("/sddcs?limit=2"), "<?limit=2&cursor=new>; rel=\"next\"");
    assert_eq!(
        link("/sddcs/a%2Fb/hosts?cursor=old&q=%c3%bc%3E+x&limit=2"),
        "<?q=%C3%BC%3E+x&limit=2&cursor=new>; rel=\"next\""
    );
    let odd = query("/a\"b?q={}").next_link("new");
    assert_eq!(odd.to_str().unwrap(), "<?q=%7B%7D&cursor=new>; rel=\"next\"");
}

#[test]
fn following_the_links_shows_everything_once() {
    let orgs: Vec<_> = (0..7).map(|it| org(&format!("o{it}"), "same name", "x")).collect();
    let (mut target, mut read) = ("/orgs?q=same+name&limit=3".to_owned(), Vec::new());
    loop {
        let query = query(&target);
        let question: ListQuery<Org> = finish(query.parser(AllowedParams::LIST), &orgs).unwrap();
        let selection = question.select(orgs.iter());
        read.extend(ids(&selection));
        let Some(next) = &selection.next else { break };
        let link = query.next_link(next);
        let link = link.to_str().unwrap();
        let next = link.trim_start_matches('<').split_once('>').unwrap().0;
        target = format!("/orgs{next}");
    }
    assert_eq!(read, ["o0", "o1", "o2", "o3", "o4", "o5", "o6"]);
}

#[test]
fn names_too_long_for_a_link_still_page() {
    let long = "x".repeat(5000);
    let orgs: Vec<_> =
        (0..3).map(|it| org(&format!("o{it}"), &format!("{long}{it}"), "x")).collect();
    let first = parse("limit=2", &orgs).unwrap();
    let next = first.select(orgs.iter()).next.unwrap();
    assert!(next.len() < 1000);
    let question = parse(&format!("limit=2&cursor={next}"), &orgs).unwrap();
    assert_eq!(ids(&question.select(orgs.iter())), ["o2"]);
}

#[test]
fn hosts_without_anything_to_tell_them_apart_page_too() {
    let host: Host = serde_json::from_value(json!({
        "id": null, "sddc_id": "1", "cluster_id": null, "name": null, "hostname": null,
        "state": null, "instance_type": null, "availability_zone": null, "state_updated_at": null,
    }))
    .unwrap();
    let hosts = vec![host; 5];
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let question = parse(&format!("limit=2{cursor}"), &hosts).unwrap();
        let selection = question.select(hosts.iter());
        pages.push(selection.items.len());
        assert!(pages.len() < 9, "the pages do not end");
        let Some(next) = selection.next else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(pages, [2, 2, 1]);
}
