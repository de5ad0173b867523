// Answers with the body and its tag; unchanged, with neither.
func listIfChanged(etag string) ([]byte, string, error) {
	request, err := http.NewRequest("GET", gateway+"/sddcs", nil)
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("X-API-Key", key)
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotModified {
		return nil, "", nil
	}
	body, err := io.ReadAll(answer.Body)
	return body, answer.Header.Get("ETag"), err
}
