// Calls changed with the list now, and again after each change.
func watch(changed func(list []byte)) error {
	client := http.Client{Timeout: time.Minute}
	etag := ""
	for {
		request, err := http.NewRequest("GET", gateway+"/sddcs?state=READY&wait=45s", nil)
		if err != nil {
			return err
		}
		request.Header.Set("X-API-Key", key)
		if etag != "" {
			request.Header.Set("If-None-Match", etag)
		}
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		list, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		switch {
		case err != nil:
			return err
		case answer.StatusCode == http.StatusOK:
			etag = answer.Header.Get("ETag")
			changed(list)
		case answer.StatusCode != http.StatusNotModified:
			return fmt.Errorf("the gateway answers %s", answer.Status)
		}
	}
}
