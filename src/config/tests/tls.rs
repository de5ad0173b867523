//! TLS for callers: files that must be good, and keys that need each other.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};

use super::*;

/// A certificate and its key.
fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// A CA and its list.
fn authority() -> (String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2029, 1, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    (ca.pem(), list.signed_by(&ca).unwrap().pem().unwrap())
}

/// A scene with these keys of `api`, each naming a file with this content.
fn scene(files: &[(&str, &str)]) -> Scene {
    let mut scene = Scene::minimal();
    for (key, content) in files {
        let path = scene.write(key, content);
        let name = format!("API__TLS_{}", key.to_ascii_uppercase());
        scene = scene.with(&name, path.to_str().unwrap());
    }
    scene
}

#[test]
fn a_relative_path_is_named_where_its_file_is_missing() {
    let fault = Scene::minimal().with("VMC__CA_FILE", "tls/missing.pem").fault();
    assert!(
        fault.starts_with(
            "vmc.ca_file: \"tls/missing.pem\" cannot be read: no such file or directory"
        ),
        "{fault}"
    );
}

#[test]
fn all_files_of_tls_can_be_set() {
    let ((cert, key), (ca, crl)) = (pair(), authority());
    assert_eq!(Scene::minimal().load().api.tls, None);
    let tls = scene(&[("cert", &cert), ("key", &key)]).load().api.tls.unwrap();
    assert_eq!(tls.client, None);
    let files = [("cert", &*cert), ("key", &*key), ("client_ca", &*ca), ("client_crl", &*crl)];
    for (mode, required) in [(None, false), (Some("optional"), false), (Some("required"), true)] {
        let mut scene = scene(&files);
        if let Some(mode) = mode {
            scene = scene.with("API__TLS_CLIENT_AUTH", mode);
        }
        let tls = scene.load().api.tls.unwrap();
        assert!(tls.cert.path().ends_with("cert") && tls.key.path().ends_with("key"));
        let client = tls.client.unwrap();
        assert!(client.ca.path().ends_with("client_ca"));
        assert!(client.crl.unwrap().path().ends_with("client_crl"));
        assert_eq!(client.required, required);
    }
}

#[test]
fn keys_that_need_each_other_are_told_at_once() {
    let ((cert, key), (ca, crl)) = (pair(), authority());
    let no_use = |key: &str, other: &str, variable: &str| {
        let variable = format!("SDDC_GATEWAY_API__TLS_{variable}");
        format!(
            "api.tls_{key}: has no effect without api.tls_{other}, which is not set ({variable})"
        )
    };
    assert_eq!(scene(&[("cert", &cert)]).fault(), no_use("cert", "key", "CERT"));
    assert_eq!(scene(&[("key", &key)]).fault(), no_use("key", "cert", "KEY"));
    assert_eq!(scene(&[("client_ca", &ca)]).fault(), no_use("client_ca", "cert", "CLIENT_CA"));
    let whole = [("cert", &*cert), ("key", &*key)];
    let without_ca = scene(&[&whole[..], &[("client_crl", &crl)]].concat());
    assert_eq!(
        without_ca.with("API__TLS_CLIENT_AUTH", "required").faults(),
        [
            no_use("client_crl", "client_ca", "CLIENT_CRL"),
            no_use("client_auth", "client_ca", "CLIENT_AUTH"),
        ],
    );
}

#[test]
fn what_cannot_be_used_is_told_by_key_and_file_and_never_quoted() {
    let ((cert, key), (_, other_key), (ca, crl)) = (pair(), pair(), authority());
    let secret = format!("-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n");
    for (files, fault) in [
        (&[("cert", &*key), ("key", &*key)][..], "api.tls_cert: \"cert\" contains no certificate"),
        (
            &[("cert", "-----BEGIN CERTIFICATE-----\nA"), ("key", &key)],
            "api.tls_cert: \"cert\" contains broken PEM",
        ),
        (
            &[("cert", &cert), ("key", &secret)],
            "api.tls_key: \"key\" contains no private key in PEM",
        ),
        (&[("cert", &cert), ("key", &cert)], "api.tls_key: \"key\" contains no private key in PEM"),
        (
            &[("cert", &cert), ("key", &other_key)],
            "api.tls_key: \"key\" is not the key of the certificate in api.tls_cert",
        ),
        (
            &[("cert", &cert), ("key", &key), ("client_ca", &crl)],
            "api.tls_client_ca: \"client_ca\" contains no PEM certificate",
        ),
        (
            &[("cert", &cert), ("key", &key), ("client_ca", &ca), ("client_crl", &ca)],
            "api.tls_client_crl: \"client_crl\" contains no CRL",
        ),
    ] {
        let told = scene(files).fault();
        assert!(told.starts_with(fault), "{told}");
        assert!(told.contains("(SDDC_GATEWAY_API__TLS_"), "{told}");
    }
    let broken = "-----BEGIN X509 CRL-----\nA";
    let all = scene(&[("cert", ""), ("key", ""), ("client_ca", ""), ("client_crl", broken)]);
    let all = all.with("API__TLS_CLIENT_AUTH", "always").faults();
    assert_eq!(all.len(), 4, "{all:#?}");
    let missing = Scene::minimal().with("API__TLS_CERT", "/nowhere/c").with("API__TLS_KEY", "/k");
    assert_eq!(missing.faults().len(), 2);
}

#[test]
fn a_private_key_that_everybody_can_read_is_a_warning() {
    let (cert, key) = pair();
    let scene = scene(&[("cert", &cert), ("key", &key)]);
    let path = scene.directory.path().join("key");
    for (mode, warnings) in [(0o400, 0), (0o640, 0), (0o644, 1)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let told = scene.load().warnings();
        assert_eq!(told.len(), warnings, "{mode:o}: {told:?}");
        assert!(told.iter().all(|text| text.starts_with("api.tls_key: ")));
    }
}

#[test]
fn a_pair_that_has_expired_is_refused_with_its_date() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = date_time_ymd(2020, 2, 3);
    let cert = params.self_signed(&key).unwrap().pem();
    let fault = scene(&[("cert", &cert), ("key", &key.serialize_pem())]).fault();
    assert!(fault.starts_with("api.tls_cert: \""), "{fault}");
    assert!(fault.contains("expired on 2020-02-03T00:00:00Z"), "{fault}");
}

#[test]
fn every_dated_file_is_named_by_its_key() {
    let ((cert, key), (ca, crl)) = (pair(), authority());
    let scene = scene(&[("cert", &cert), ("key", &key), ("client_ca", &ca), ("client_crl", &crl)]);
    let upstream_ca = scene.write("upstream_ca", &ca);
    let scene = scene.with("VMC__CA_FILE", upstream_ca.to_str().unwrap());
    let files = scene.load().dated_files();
    let keys: Vec<_> = files.iter().map(|file| file.key).collect();
    let expected = ["api.tls_cert", "api.tls_client_ca", "api.tls_client_crl", "vmc.ca_file"];
    assert_eq!(keys, expected);
    for file in files {
        assert!(file.dates().unwrap().not_after().is_some(), "{}", file.key);
    }
}
