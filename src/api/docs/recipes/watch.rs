/// Takes each event of one connection: its type, data and id. Call again with the last id when it ends.
async fn events(
    http: &reqwest::Client,
    gateway: &str,
    key: &str,
    last_id: Option<&str>,
    mut take: impl FnMut(&str, &str, Option<&str>) -> ControlFlow<()>,
) -> Result<(), Box<dyn Error>> {
    let mut stream = http.get(format!("{gateway}/sddcs/events")).header("X-API-Key", key);
    if let Some(id) = last_id {
        stream = stream.header("Last-Event-ID", id);
    }
    let mut answer = stream.send().await?.error_for_status()?;
    let mut received = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        received.extend_from_slice(&chunk);
        while let Some(end) = received.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = received.drain(..end + 2).collect();
            let event = String::from_utf8(event)?;
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            let (kind, data) = (field("event: "), field("data: "));
            if take(kind.unwrap_or_default(), data.unwrap_or_default(), field("id: ")).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}
