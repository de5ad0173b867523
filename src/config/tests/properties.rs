//! Whatever is written, loading answers with faults and without secrets.

use proptest::prelude::*;

use super::*;

/// Text that comes close to configuration: pieces of it in any order.
fn near_toml() -> impl Strategy<Value = String> {
    let names = || prop::sample::select(KEYS.iter().map(|key| key.name).collect::<Vec<_>>());
    let value = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        "[0-9]{1,20}(ms|s|m|h|MiB|d)?".prop_map(|text| format!("\"{text}\"")),
        any::<String>().prop_map(|text| format!("{text:?}")),
        any::<String>().prop_map(|text| format!("[{text:?}, 1]")),
        Just("[{ name = \"a\", key_sha256 = [1] }, {}, 3]".to_owned()),
        Just("{ a = { b = 1 } }".to_owned()),
        Just("1979-05-27".to_owned()),
        any::<String>(),
    ];
    let line = prop_oneof![
        8 => (names(), value).prop_map(|(name, value)| format!("{name} = {value}")),
        1 => names().prop_map(|name| format!("[{name}]")),
        1 => names().prop_map(|name| format!("[[{name}]]")),
        1 => any::<String>(),
    ];
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_file_and_no_environment_makes_loading_panic(
        file in near_toml(),
        variables in prop::collection::vec(
            (prop::sample::select(KEYS), prop_oneof![any::<Vec<u8>>(), "[0-9a-z:,/.]{0,12}".prop_map(String::into_bytes)]),
            0..6,
        ),
    ) {
        let mut scene = Scene::new().file(file);
        for (key, value) in variables {
            let name = key.environment().unwrap_or_else(|| "SDDC_GATEWAY_A__B".into());
            scene.source.environment.push((name.into(), OsString::from_vec(value)));
        }
        if let Err(faults) = Config::load(&scene.source) {
            let text = faults.to_string();
            prop_assert!(faults.iter().count() > 0);
            prop_assert_eq!(text.lines().count(), faults.iter().count());
        }
    }

    #[test]
    fn a_canary_is_in_no_fault_wherever_a_credential_is_expected(
        key in prop::sample::select(
            KEYS.iter()
                .filter(|key| matches!(key.shape, ValueShape::Credential | ValueShape::Credentials))
                .collect::<Vec<_>>(),
        ),
        before in "[:,\"\\\\a\n]{0,3}",
    ) {
        let name = key.environment().unwrap();
        let mut scene = Scene::new();
        scene.source.environment.push((name.into(), format!("{before}{CANARY}").into()));
        scene.faults();
    }
}
