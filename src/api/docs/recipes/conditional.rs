async fn is_unchanged(http: &reqwest::Client, gateway: &str, key: &str) -> reqwest::Result<bool> {
    let list = || http.get(format!("{gateway}/sddcs")).header("X-API-Key", key);
    let first = list().send().await?.error_for_status()?;
    let tag = first.headers()["etag"].clone();
    let again = list().header("If-None-Match", tag).send().await?;
    Ok(again.status() == StatusCode::NOT_MODIFIED)
}
