use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};

use std::sync::Arc;

use jiff::Timestamp;
use rustls::pki_types::{CertificateRevocationListDer, pem::PemObject};

use super::*;

type Ca = CertifiedIssuer<'static, KeyPair>;

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(1_u64));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn ca(name: &str) -> Ca {
    CertifiedIssuer::self_signed(ca_params(name), KeyPair::generate().unwrap()).unwrap()
}

fn leaf(ca: &Ca, serial: u64, names: Vec<SanType>) -> CertificateDer<'static> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names = names;
    params.serial_number = Some(SerialNumber::from(serial));
    params.not_after = date_time_ymd(2030, 1, 1);
    params.signed_by(&KeyPair::generate().unwrap(), ca).unwrap().der().clone()
}

/// A list that is good until 2029.
fn crl(ca: &Ca, revoked: &[u64]) -> String {
    let revoked_certs = revoked.iter().map(|serial| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: date_time_ymd(2026, 1, 1),
        reason_code: None,
        invalidity_date: None,
    });
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2029, 1, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: revoked_certs.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(ca).unwrap().pem().unwrap()
}

fn authorities(authorities: &str, crls: Option<&str>) -> Result<ClientAuthorities, AuthorityFault> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientAuthorities::from_pem(authorities.as_bytes(), crls.map(str::as_bytes), false, provider)
}

fn certificate(chain: &[&CertificateDer<'static>]) -> ClientCertificate {
    let chain: Vec<_> = chain.iter().copied().cloned().collect();
    ClientCertificate::of_chain(&chain).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const TODAY: &str = "2026-11-22T10:00:00Z";

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

#[test]
fn a_certificate_has_the_names_that_a_caller_can_be_known_by() {
    let ca = ca("ours");
    let names = vec![
        dns("Billing.Example.org"),
        uri("spiffe://example.org/billing"),
        dns("*.example.org"),
        SanType::IpAddress([127, 0, 0, 1].into()),
        SanType::Rfc822Name("a@example.org".try_into().unwrap()),
    ];
    let der = leaf(&ca, 2, names);
    let certificate = certificate(&[&der]);
    let names: Vec<_> = certificate.names().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["uri:spiffe://example.org/billing", "dns:billing.example.org"]);
    assert_eq!(certificate.id(), CredentialId::of(&der));
    assert_eq!(format!("{certificate:?}"), format!("ClientCertificate({})", certificate.id()));
}

#[test]
fn without_alternative_names_or_sense_a_certificate_is_nobodys() {
    let ca = ca("ours");
    assert!(certificate(&[&leaf(&ca, 2, Vec::new())]).names().is_empty());
    assert!(certificate(&[&CertificateDer::from(vec![1, 2, 3])]).names().is_empty());
    assert!(ClientCertificate::of_chain(&[]).is_none());
    let nonsense = certificate(&[&CertificateDer::from(vec![1, 2, 3])]);
    assert!(!authorities(&ca.pem(), None).unwrap().admits(&nonsense, at(TODAY)));
}

#[test]
fn an_expired_certificate_loses_its_rights_within_a_minute() {
    let ca = ca("ours");
    let authorities = authorities(&ca.pem(), None).unwrap();
    let certificate = certificate(&[&leaf(&ca, 2, Vec::new())]);
    assert!(authorities.admits(&certificate, at("2029-12-31T23:59:30Z")));
    assert!(!authorities.admits(&certificate, at("2030-01-01T00:00:31Z")));
    assert!(!authorities.admits(&certificate, at("2030-01-01T00:00:31Z")), "and stays without");
    assert!(authorities.admits(&certificate, at("2029-12-31T23:59:00Z")), "a clock set back");
}

#[test]
fn a_new_crl_revokes_what_was_admitted_a_moment_ago() {
    let ca = ca("ours");
    let authorities = authorities(&ca.pem(), Some(&crl(&ca, &[]))).unwrap();
    let (one, other) = (leaf(&ca, 2, Vec::new()), leaf(&ca, 3, Vec::new()));
    let (one, other) = (certificate(&[&one]), certificate(&[&other]));
    assert!(authorities.admits(&one, at(TODAY)) && authorities.admits(&other, at(TODAY)));
    authorities.take_crls(crl(&ca, &[2]).as_bytes()).unwrap();
    assert!(!authorities.admits(&one, at(TODAY)));
    assert!(authorities.admits(&other, at(TODAY)));
    authorities.take_crls(crl(&ca, &[]).as_bytes()).unwrap();
    assert!(authorities.admits(&one, at(TODAY)), "a list that was a mistake");
}

#[test]
fn other_cas_admit_others() {
    let (ours, theirs) = (ca("ours"), ca("theirs"));
    let authorities = authorities(&ours.pem(), None).unwrap();
    let (one, other) = (leaf(&ours, 2, Vec::new()), leaf(&theirs, 2, Vec::new()));
    let (one, other) = (certificate(&[&one]), certificate(&[&other]));
    assert!(authorities.admits(&one, at(TODAY)));
    assert!(!authorities.admits(&other, at(TODAY)));
    authorities.take_authorities(theirs.pem().as_bytes()).unwrap();
    assert!(!authorities.admits(&one, at(TODAY)));
    assert!(authorities.admits(&other, at(TODAY)));
}

#[test]
fn a_broken_new_version_changes_nothing() {
    let ca = ca("ours");
    let list = crl(&ca, &[3]);
    let authorities = authorities(&ca.pem(), Some(&list)).unwrap();
    let certificate = certificate(&[&leaf(&ca, 2, Vec::new())]);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA";
    let no_ca = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (pem, reason) in [
        ("", "no certificate"),
        (broken, "broken pem"),
        (no_ca, "unusable ca"),
        (&list, "no certificate"),
    ] {
        let refused = authorities.take_authorities(pem.as_bytes()).unwrap_err();
        assert_eq!(refused.as_str(), reason, "{pem}");
    }
    let no_list = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    for (pem, reason) in [("", "no crl"), (&*ca.pem(), "no crl"), (no_list, "unusable crl")] {
        let refused = authorities.take_crls(pem.as_bytes()).unwrap_err();
        assert_eq!(refused.as_str(), reason, "{pem}");
    }
    assert!(authorities.admits(&certificate, at(TODAY)));
}

#[test]
fn each_certificate_of_a_chain_must_be_on_the_books() {
    let root = ca("root");
    let key = KeyPair::generate().unwrap();
    let mut params = ca_params("middle");
    params.serial_number = Some(SerialNumber::from(7_u64));
    let middle = CertifiedIssuer::signed_by(params, key, &root).unwrap();
    let leaf = leaf(&middle, 2, Vec::new());
    let admits = |crls: Option<String>| {
        let authorities = authorities(&root.pem(), crls.as_deref()).unwrap();
        authorities.admits(&certificate(&[&leaf, middle.der()]), at(TODAY))
    };
    let (of_root, of_middle) =
        (|revoked: &[u64]| crl(&root, revoked), |revoked: &[u64]| crl(&middle, revoked));
    assert!(admits(None));
    assert!(admits(Some(of_root(&[]) + &of_middle(&[]))));
    assert!(!admits(Some(of_root(&[7]) + &of_middle(&[]))), "a revoked intermediate");
    assert!(!admits(Some(of_root(&[]) + &of_middle(&[2]))), "a revoked leaf");
    assert!(!admits(Some(of_root(&[]))), "nothing is known of the leaf");
    assert!(!admits(Some(of_middle(&[]))), "nothing is known of the intermediate");
}

#[test]
fn a_list_past_its_next_update_admits_nobody() {
    let ca = ca("ours");
    let authorities = authorities(&ca.pem(), Some(&crl(&ca, &[]))).unwrap();
    let certificate = certificate(&[&leaf(&ca, 2, Vec::new())]);
    assert!(authorities.admits(&certificate, at("2028-12-31T00:00:00Z")));
    assert!(!authorities.admits(&certificate, at("2029-01-02T00:00:00Z")));
}

#[test]
fn an_unusable_list_is_told_by_its_number_and_its_fault() {
    let ca = ca("ours");
    let nonsense = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    let fault = authorities(&ca.pem(), Some(&(crl(&ca, &[]) + nonsense))).unwrap_err();
    assert_eq!(fault, AuthorityFault::UnusableCrl(2, CrlProblem::Malformed));
    assert_eq!(fault.to_string(), "contains a CRL that cannot be used: number 2 cannot be read");
}

#[test]
fn a_list_may_be_in_der() {
    let ca = ca("ours");
    let authorities = authorities(&ca.pem(), Some(&crl(&ca, &[]))).unwrap();
    let certificate = certificate(&[&leaf(&ca, 2, Vec::new())]);
    let list = CertificateRevocationListDer::from_pem_slice(crl(&ca, &[2]).as_bytes()).unwrap();
    authorities.take_crls(&list).unwrap();
    assert_eq!(authorities.check(&certificate, at(TODAY)), Err(CertificateFault::Revoked));
}

#[test]
fn a_ca_that_has_expired_admits_nobody_and_others_of_its_file_do() {
    let (mut params, lasting) = (ca_params("short"), ca("lasting"));
    params.not_after = date_time_ymd(2028, 1, 1);
    let short = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let (of_short, of_lasting) = (leaf(&short, 2, Vec::new()), leaf(&lasting, 2, Vec::new()));
    let both = authorities(&(short.pem() + &lasting.pem()), None).unwrap();
    let alone = authorities(&short.pem(), None).unwrap();
    for authorities in [&both, &alone] {
        let one = certificate(&[&of_short]);
        assert!(authorities.admits(&one, at("2027-12-31T23:59:59Z")));
        let found = authorities.check(&one, at("2028-01-01T00:00:01Z"));
        assert_eq!(found, Err(CertificateFault::IssuerExpired));
    }
    assert!(both.admits(&certificate(&[&of_lasting]), at("2028-01-01T00:00:01Z")));
    let found = alone.check(&certificate(&[&of_lasting]), at("2028-01-01T00:00:01Z"));
    assert_eq!(found, Err(CertificateFault::UnknownIssuer));
}

#[test]
fn each_kind_of_refusal_has_a_word_of_its_own() {
    let ca = ca("ours");
    let authorities = authorities(&ca.pem(), None).unwrap();
    let refused = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        change(&mut params);
        let der = params.signed_by(&KeyPair::generate().unwrap(), &ca).unwrap().der().clone();
        authorities.check(&certificate(&[&der]), at(TODAY)).map_err(CertificateFault::as_str)
    };
    assert_eq!(refused(&|_| {}), Ok(()));
    let not_yet = refused(&|params| params.not_before = date_time_ymd(2030, 1, 1));
    assert_eq!(not_yet, Err("certificate_not_yet_valid"));
    let expired = refused(&|params| params.not_after = date_time_ymd(2020, 1, 1));
    assert_eq!(expired, Err("certificate_expired"));
    let server = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let purpose = refused(&|params| params.extended_key_usages.clone_from(&server));
    assert_eq!(purpose, Err("certificate_purpose"));
    let is_ca = refused(&|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert_eq!(is_ca, Err("certificate_is_ca"));
    let critical = refused(&|params| {
        let mut unknown = rcgen::CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        unknown.set_criticality(true);
        params.custom_extensions.push(unknown);
    });
    assert_eq!(critical, Err("certificate_critical_extension"));
    let words: std::collections::BTreeSet<_> =
        CertificateFault::ALL.into_iter().map(CertificateFault::as_str).collect();
    assert_eq!(words.len(), CertificateFault::ALL.len());
    for fault in CertificateFault::ALL {
        assert_eq!(CertificateFault::at(fault.place()), fault);
    }
}

#[test]
fn a_version_and_a_signature_that_are_wrong_are_told_apart() {
    let ca = ca("ours");
    let authorities = authorities(&ca.pem(), None).unwrap();
    let checked = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut der = leaf(&ca, 2, vec![uri("spiffe://example.org/a")]).to_vec();
        change(&mut der);
        let certificate = certificate(&[&CertificateDer::from(der)]);
        authorities.check(&certificate, at(TODAY))
    };
    assert_eq!(checked(&|_| {}), Ok(()));
    // RFC 5280 section 4.1: the version is `[0] INTEGER`, 2 for X.509 version 3.
    let version = [0xa0, 3, 2, 1, 2];
    let as_version_2 = checked(&|der| {
        let place = der.windows(version.len()).position(|bytes| bytes == version).unwrap();
        der[place + version.len() - 1] = 1;
    });
    assert_eq!(as_version_2, Err(CertificateFault::Version));
    // The signature comes last.
    let wrongly_signed = checked(&|der| *der.last_mut().unwrap() ^= 1);
    assert_eq!(wrongly_signed, Err(CertificateFault::Signature));
}

#[test]
fn a_path_that_a_ca_does_not_allow_is_told_apart_from_an_unknown_ca() {
    let check = |middle: CertificateParams, names: Vec<SanType>| {
        let key = || KeyPair::generate().unwrap();
        let root = ca("root");
        let middle = CertifiedIssuer::signed_by(middle, key(), &root).unwrap();
        let lower = CertifiedIssuer::signed_by(ca_params("lower"), key(), &middle).unwrap();
        let leaf = leaf(&lower, 2, names);
        let authorities = authorities(&root.pem(), None).unwrap();
        authorities.check(&certificate(&[&leaf, lower.der(), middle.der()]), at(TODAY))
    };
    assert_eq!(check(ca_params("middle"), Vec::new()), Ok(()));
    let mut short = ca_params("middle");
    short.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    assert_eq!(check(short, Vec::new()), Err(CertificateFault::Path));
    let mut named = ca_params("middle");
    named.name_constraints = Some(rcgen::NameConstraints {
        permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("ours.example".into())],
        excluded_subtrees: Vec::new(),
    });
    assert_eq!(check(named.clone(), vec![dns("a.ours.example")]), Ok(()));
    let outside = check(named, vec![dns("a.theirs.example")]);
    assert_eq!(outside, Err(CertificateFault::NameConstraint));
}
