//! What is published is what is taken.

use serde_json::{Value, json};

use super::{AllowedParams, parser};
use crate::{
    api::resource::Resource,
    inventory::model::{Cluster, Host, Org, SddcEntry, Task},
};

const ALL: [AllowedParams; 4] =
    [AllowedParams::LIST, AllowedParams::EVENTS, AllowedParams::DISCOVERY, AllowedParams::DOCUMENT];

fn published<R: Resource>(allowed: AllowedParams) -> Vec<Value> {
    allowed
        .published::<R>(&Value::Null)
        .iter()
        .map(|it| serde_json::to_value(it).unwrap())
        .collect()
}

fn agrees<R: Resource>() {
    for allowed in ALL {
        let published = published::<R>(allowed);
        let mut names: Vec<_> = published.iter().map(|it| it["name"].as_str().unwrap()).collect();
        let mut taken = allowed.names::<R>();
        names.sort_unstable();
        taken.sort_unstable();
        assert_eq!(names, taken);
        taken.dedup();
        assert_eq!(names.len(), taken.len(), "a field has the name of another parameter");
        for parameter in &published {
            let name = parameter["name"].as_str().unwrap();
            assert_eq!(parameter["in"], "query");
            assert!(parameter["description"].as_str().unwrap().ends_with('.'), "{parameter}");
            assert_eq!(parameter["required"], json!(name == "target"));
            assert!(parameter["schema"]["type"].is_string(), "{parameter}");
        }
    }
}

#[test]
fn what_is_published_is_what_is_taken() {
    agrees::<SddcEntry>();
    agrees::<Cluster>();
    agrees::<Host>();
    agrees::<Org>();
    agrees::<Task>();
}

#[test]
fn a_filter_is_published_with_its_values_form_and_repetition() {
    let published = published::<SddcEntry>(AllowedParams::LIST);
    let of = |name: &str| published.iter().find(|it| it["name"] == name).unwrap().clone();
    assert_eq!(
        of("region"),
        json!({
            "name": "region", "in": "query", "required": false, "style": "form", "explode": true,
            "description": "Selects those whose `region` is this value. Repeat the parameter to accept several values. Must be a region in \
                VMware's spelling, such as US_WEST_2, or a value that occurs in what the caller may see.",
            "schema": {
                "type": "array",
                "items": {"type": "string", "pattern": "^[A-Z]+(_[A-Z]+)+_[0-9]+$"},
            },
        })
    );
    let types = of("deployment_type");
    assert!(types["description"].as_str().unwrap().contains("`SINGLE_AZ`, `MULTI_AZ`"));
    let items =
        json!({"type": "string", "enum": ["SINGLE_AZ", "MULTI_AZ"], "examples": ["SINGLE_AZ"]});
    assert_eq!(types["schema"]["items"], items);
    assert_eq!(of("deployment_type__not")["schema"]["items"], items);
    let number = json!({"type": "integer", "minimum": 0, "examples": [1]});
    assert_eq!(of("host_count")["schema"]["items"], number);
    assert_eq!(of("host_count__gte")["schema"], number);
    // A plain text: clients write a `date-time` in ways that no server reads.
    let time = &of("created_at__lte")["schema"];
    assert!(
        time["type"] == "string" && time["pattern"].is_string() && time.get("format").is_none()
    );
    assert_eq!(of("include")["schema"]["items"]["enum"], json!(["clusters", "hosts"]));
    assert_eq!(of("include")["explode"], json!(false));
    let sorts = of("sort")["schema"]["enum"].clone();
    assert!(sorts.as_array().unwrap().contains(&json!("-created_at")), "{sorts}");
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 500, "examples": [50]});
    assert_eq!(of("limit")["schema"], limit);
    assert_eq!(of("sort")["schema"]["default"], "name");
    assert!(of("q")["description"].as_str().unwrap().contains("`name`"));
    assert!(parser::<SddcEntry>(AllowedParams::LIST, "sort=name").finish([].iter()).is_ok());
}
