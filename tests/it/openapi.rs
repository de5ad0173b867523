//! The published document is the one that the code gives.

use std::{fs, path::Path};

use sddc_gateway::api;

#[test]
fn the_published_document_is_generated_from_the_code() {
    let document = api::openapi_document();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi");
    for (name, text) in [
        ("openapi.json", api::openapi_json(&document)),
        ("openapi.yaml", api::openapi_yaml(&document)),
    ] {
        let published = fs::read_to_string(folder.join(name)).unwrap();
        assert!(published == text, "openapi/{name} has drifted from the code: run `make openapi`");
    }
}
