/// The list when it differs from the one that has this tag; `None` after 45 s without a change.
async fn next_change(
    http: &reqwest::Client,
    gateway: &str,
    key: &str,
    etag: &HeaderValue,
) -> Result<Option<(Value, HeaderValue)>, Box<dyn Error>> {
    let list = http.get(format!("{gateway}/sddcs?state=READY&wait=45s"));
    let list = list.header("X-API-Key", key).header("If-None-Match", etag);
    let answer = list.timeout(Duration::from_secs(60)).send().await?.error_for_status()?;
    if answer.status() == StatusCode::NOT_MODIFIED {
        return Ok(None);
    }
    let etag = answer.headers()["etag"].clone();
    Ok(Some((serde_json::from_slice(&answer.bytes().await?)?, etag)))
}
