use proptest::prelude::*;
use serde_json::{Value, json};

use super::{scanner::MAX_DEPTH, *};

fn redacted(document: &str) -> String {
    redacted_as(document, UnknownFields::Null)
}

fn redacted_as(document: &str, unknown: UnknownFields) -> String {
    String::from_utf8(redact(document.as_bytes(), unknown).unwrap().into()).unwrap()
}

/// What is shown of a value under a name that is kept, with either setting.
fn both(document: &str, expected: &str) {
    for unknown in [UnknownFields::Null, UnknownFields::Keep] {
        assert_eq!(redacted_as(document, unknown), expected, "{unknown:?}");
    }
}

#[test]
fn known_values_stay_as_they_are_written() {
    for document in [
        r#" { "id" : "a\u0062" , "version":1.50e+3,"name" : null, "id":"again", "hosts":[ 1,2 , -0 ] } "#,
        r#"[{"created":"2024-11-05T09:12:31.000705Z","progress_percent":12345678901234567890123}]"#,
        "[]",
        "{}",
        " \"text\"\n",
        "-1.5E-3",
        "null",
        "true",
    ] {
        both(document, document);
    }
}

#[test]
fn secrets_become_null_at_any_depth_and_their_names_stay() {
    both(
        r#"[{"resource_config":{"cloud_password":"x","nsx_user_client":{"secret":"y","id":"z"},"clusters":[{"esx_host_list":[{"esx_credential":{"password":"p"},"name":"h"}]}]}}]"#,
        r#"[{"resource_config":{"cloud_password":null,"nsx_user_client":{"secret":null,"id":"z"},"clusters":[{"esx_host_list":[{"esx_credential":null,"name":"h"}]}]}}]"#,
    );
}

#[test]
fn names_count_by_what_they_say() {
    both(
        r#"{"pass\u0077ord":"x","id":"a","password":"y","password":["z"],"\u0069d":"b"}"#,
        r#"{"pass\u0077ord":null,"id":"a","password":null,"password":null,"\u0069d":"b"}"#,
    );
}

#[test]
fn unknown_values_become_null_unless_they_are_to_stay() {
    let document =
        r#"{"novel":{"a":1},"novelToken":"x","id":{"novel":[true],"apiKeys":[1]},"x":2}"#;
    assert_eq!(
        redacted(document),
        r#"{"novel":null,"novelToken":null,"id":{"novel":null,"apiKeys":null},"x":null}"#
    );
    let kept = r#"{"novel":{"a":1},"novelToken":null,"id":{"novel":[true],"apiKeys":null},"x":2}"#;
    assert_eq!(redacted_as(document, UnknownFields::Keep), kept);
}

#[test]
fn what_a_label_calls_secret_becomes_null_in_either_order() {
    both(
        r#"[{"name":"admin_password","value":"x"},{"value":["x"],"key":"api-token"},{"name":"color","value":"red"}]"#,
        r#"[{"name":"admin_password","value":null},{"value":null,"key":"api-token"},{"name":"color","value":"red"}]"#,
    );
    both(
        r#"{"value":{"value":"a","id":"x"},"\u006cabel":"client\u0053ecret","values":{"a":1}}"#,
        r#"{"value":null,"\u006cabel":"client\u0053ecret","values":null}"#,
    );
}

#[test]
fn names_of_a_map_are_data() {
    let zones = r#"{"tgw_ips":{"us-west-2a":["10.0.0.1"]},"supported_cpu_cores":{"i3.metal":[8,16]},"region_to_az_to_shadow_mapping":{"US_WEST_2":{"us-west-2a":"us-west-2c"}},"provider":{"AWS":{"region_display_names":{"US_WEST_2":"Oregon"}}},"available_capacities":{"x":[{"cost":"1","size":2}]}}"#;
    both(zones, zones);
    both(
        r#"{"values":{"hostLimit":"32","apiToken":"x"},"service_infos":{"a":{"cln":"1","password":"x"}}}"#,
        r#"{"values":{"hostLimit":"32","apiToken":null},"service_infos":{"a":{"cln":"1","password":null}}}"#,
    );
}

#[test]
fn what_the_bindings_need_is_never_null() {
    let document = r#"{"created":"x","updated":"y","vpc_info":{"routetables":{"keyTable":{"name":"a","id":"b"}}},"ami_infos":{"secret":{"id":"c","type":"POP","region":null}}}"#;
    both(document, document);
}

#[test]
fn params_are_shown_as_far_as_they_are_known() {
    assert_eq!(
        redacted(
            r#"[{"params":{"sddcConfig":{"name":"a","num_hosts":3,"novel":1},"credentials":{"password":"x"}}},{"params":["x"]}]"#
        ),
        r#"[{"params":{"sddcConfig":{"name":"a","num_hosts":3,"novel":null},"credentials":null}},{"params":null}]"#,
    );
}

#[test]
fn documents_within_texts_are_redacted_and_stay_texts() {
    both(
        r#"{"description":"{\"id\": \"a\", \"password\":\"x\"}","note":"{\"id\":\u0022a\\u0062\"}"}"#,
        r#"{"description":"{\"id\": \"a\", \"password\":null}","note":"{\"id\":\u0022a\\u0062\"}"}"#,
    );
    let inner = json!({ "help": json!([{ "id": 1, "secret": "x" }]).to_string() }).to_string();
    let outer = json!({ "description": inner }).to_string();
    let shown: Value = serde_json::from_str(&redacted(&outer)).unwrap();
    let inner: Value = serde_json::from_str(shown["description"].as_str().unwrap()).unwrap();
    assert_eq!(inner["help"], r#"[{"id":1,"secret":null}]"#);
}

#[test]
fn texts_that_cannot_be_looked_into_become_null() {
    both(r#"{"description":"{\"id\":\"a\", cut"}"#, r#"{"description":null}"#);
    both(r#"{"description":"{0} of [1] \"done\""}"#, r#"{"description":"{0} of [1] \"done\""}"#);
    let mut text = json!({ "id": "a" }).to_string();
    for _ in 0..=MAX_EMBEDDED_LEVELS {
        text = json!({ "note": text }).to_string();
    }
    assert!(!redacted(&text).contains(r#"\"a"#), "{}", redacted(&text));
    let long = json!([{ "note": format!("[\"{}\"]", "a".repeat(MAX_EMBEDDED_BYTES)) }]).to_string();
    both(&long, r#"[{"note":null}]"#);
}

#[test]
fn signed_urls_and_keys_are_known_by_their_look() {
    both(
        r#"{"agent_url":"https://s3.example/a?X-Amz-Date=1&X-Amz-Signature=x","vc_url":"https://vc.example/ui?a=b","note":"https:\/\/a.example\/b\u003fsig\u003dx"}"#,
        r#"{"agent_url":null,"vc_url":"https://vc.example/ui?a=b","note":null}"#,
    );
}

#[test]
fn what_is_no_json_is_refused() {
    for document in [
        "",
        " ",
        "{",
        "[1,]",
        "{,}",
        "[1 2]",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r"{a:1}",
        "01",
        "1.",
        "-",
        "1e",
        "nul",
        "\"a",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"a\nb\"",
        "[]]",
        "{}{}",
        "\u{feff}[]",
        "NaN",
        r#"{"id":1,}"#,
    ] {
        assert_eq!(
            redact(document.as_bytes(), UnknownFields::Null),
            Err(InvalidDocument),
            "{document}"
        );
    }
    assert!(redact(b"\"\xff\"", UnknownFields::Null).is_err());
    for depth in [MAX_DEPTH, MAX_DEPTH + 1] {
        for (open, close) in [("[", "]"), (r#"{"id":"#, "}"), (r#"{"x":"#, "}")] {
            let document = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(
                redact(document.as_bytes(), UnknownFields::Null).is_ok(),
                depth == MAX_DEPTH,
                "{open} {depth}"
            );
        }
    }
}

#[test]
fn items_are_selected_by_their_one_id() {
    let list = Bytes::from_static(
        br#" [ {"id":"a"}, {"name":"x","\u0069d":"b"},{"id":1},{"name":"n"},{"id":"a","id":"b"},"a",{"n":{"id":"a"}} ] "#,
    );
    let selected = |keep: &[&str]| select_items(&list, |id| keep.contains(&id)).unwrap();
    assert_eq!(selected(&["a"]), &br#"[{"id":"a"}]"#[..]);
    assert_eq!(selected(&["a", "b"]), &br#"[{"id":"a"},{"name":"x","\u0069d":"b"}]"#[..]);
    assert_eq!(selected(&[]), &b"[]"[..]);
    let whole = Bytes::from_static(br#"[{"id":"a"} , {"id":"b"}]"#);
    assert_eq!(select_items(&whole, |_| true).unwrap().as_ptr(), whole.as_ptr());
    for other in [&b"{}"[..], b"[{]", b"[] 1", b"\xff"] {
        assert_eq!(select_items(&Bytes::from_static(other), |_| true), Err(InvalidDocument));
    }
}

#[test]
fn a_large_list_costs_one_more_of_its_size() {
    let reserved = |item: &str| {
        let list = format!("[{}null]", item.repeat(20_000));
        let shown = Redactor::new(&list, UnknownFields::Null, MAX_EMBEDDED_LEVELS).run(0).unwrap();
        (shown.capacity(), shown.len(), list.len())
    };
    let (capacity, _, length) =
        reserved(r#"{"id":"a","cloud_password":"long","novel":[1],"vc_url":"x"},"#);
    assert!(capacity <= length, "{capacity} of {length}");
    let (capacity, shown, _) = reserved(r#"{"a":1,"b":2},"#);
    assert!(capacity <= shown / 8 * 9, "{capacity} for {shown}");
}

/// Names of every kind: known and kept, known and secret, unknown, unknown and secret, maps, labels.
const NAMES: [&str; 16] = [
    "id",
    "name",
    "resource_config",
    "clusters",
    "params",
    "values",
    "provider",
    "value",
    "key",
    "tags",
    "routetables",
    "password",
    "secret",
    "novel",
    "novel_token",
    "pass\\u0077ord",
];

fn document() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "[a-z ?@:/{}'-]{0,12}".prop_map(|text| format!("\"{text}\"")),
        Just(r#""\u00e4\n""#.into())
    ];
    let number = any::<f64>().prop_filter("JSON has no NaN", |number| number.is_finite());
    let leaf = prop_oneof![
        text,
        number.prop_map(|number| format!("{number:e}")),
        prop::sample::select(vec!["null", "true", "12345678901234567890", "\"password\"", "-0.10"])
            .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let member = (prop::sample::select(NAMES.to_vec()), inner.clone(), " {0,2}");
        let member =
            member.prop_map(|(name, value, space)| format!("\"{name}\"{space}:{space}{value}"));
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[ {}]", items.join(" , "))),
            prop::collection::vec(member, 0..6)
                .prop_map(|members| format!("{{{}\n}}", members.join(","))),
            inner.prop_map(|document| Value::String(document).to_string()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    /// The shown document is the original with some values replaced by `null`, and nothing else.
    #[test]
    fn redaction_is_lossless_but_for_what_becomes_null(document in document(), keep: bool) {
        let unknown = if keep { UnknownFields::Keep } else { UnknownFields::Null };
        fuzzing::check(&document, unknown);
    }

    /// Wherever a secret stands, and however deep in texts within texts, it is not shown.
    #[test]
    fn no_canary_survives(
        path in prop::collection::vec((0..5u8, prop::sample::select(NAMES.to_vec())), 0..6),
        name in prop::sample::select(vec!["password", "secret", "client_secret", "pass\\u0077ord", "novelApiKey"]),
        kind in 0..5u8,
        keep: bool,
    ) {
        let canary = match kind {
            0 => format!("{{\"{name}\":\"CANARY\"}}"),
            1 => format!("{{\"{name}\":[1,{{\"id\":\"CANARY\"}}]}}"),
            2 => format!("{{\"value\":\"CANARY\",\"name\":\"{name}\"}}"),
            3 => format!("{{\"label\":\"{name}\",\"values\":[\"CANARY\"]}}"),
            _ => "\"https://a.example/?X-Amz-Signature=CANARY\"".to_owned(),
        };
        let document = path.iter().fold(canary, |inner, (kind, name)| match kind {
            0 => format!("[1,{inner}]"),
            1 => Value::String(inner).to_string(),
            _ => format!("{{\"{name}\":{inner},\"id\":1}}"),
        });
        let unknown = if keep { UnknownFields::Keep } else { UnknownFields::Null };
        // `values` in `tags` and the like are maps, in which only names tell: those of `name` are among them.
        let shown = redacted_as(&document, unknown);
        prop_assert!(!shown.contains("CANARY"), "{document} shows {shown}");
    }
}
