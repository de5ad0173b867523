async fn list(http: &reqwest::Client, gateway: &str, key: &str) -> Result<(), Box<dyn Error>> {
    let url = format!("{gateway}/sddcs?state=READY&state=DEPLOYING&fields=id,name,region");
    let answer = http.get(url).header("X-API-Key", key).send().await?.error_for_status()?;
    println!("age in seconds: {:?}", answer.headers().get("age"));
    let page: Value = serde_json::from_slice(&answer.bytes().await?)?;
    for sddc in page["items"].as_array().into_iter().flatten() {
        println!("{} {}", sddc["name"], sddc["region"]);
    }
    Ok(())
}
