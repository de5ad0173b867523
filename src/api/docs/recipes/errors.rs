#[derive(serde::Deserialize)]
struct Problem {
    code: String,
    detail: String,
    request_id: String,
    retryable: bool,
}

/// What the gateway says of a failure; `None` where it is none.
async fn problem_of(answer: reqwest::Response) -> Result<Option<Problem>, Box<dyn Error>> {
    if answer.status().is_success() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&answer.bytes().await?)?))
}
