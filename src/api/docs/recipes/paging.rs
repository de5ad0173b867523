async fn all_hosts(http: &reqwest::Client, gateway: &str, key: &str) -> Result<Vec<Value>, Box<dyn Error>> {
    let (mut hosts, mut url) = (Vec::new(), format!("{gateway}/hosts?limit=500"));
    loop {
        let answer = http.get(&url).header("X-API-Key", key).send().await?.error_for_status()?;
        let mut page: Value = serde_json::from_slice(&answer.bytes().await?)?;
        hosts.extend(page["items"].as_array_mut().into_iter().flat_map(std::mem::take));
        let Some(cursor) = page["next_cursor"].as_str() else { return Ok(hosts) };
        url = format!("{gateway}/hosts?limit=500&cursor={cursor}");
    }
}
