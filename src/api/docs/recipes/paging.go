func allHosts(take func(host json.RawMessage)) error {
	query := url.Values{"limit": {"500"}}
	for {
		request, err := http.NewRequest("GET", gateway+"/hosts?"+query.Encode(), nil)
		if err != nil {
			return err
		}
		request.Header.Set("X-API-Key", key)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		var page struct {
			Items      []json.RawMessage
			NextCursor *string `json:"next_cursor"`
		}
		err = json.NewDecoder(answer.Body).Decode(&page)
		answer.Body.Close()
		if err != nil {
			return err
		}
		for _, host := range page.Items {
			take(host)
		}
		if page.NextCursor == nil {
			return nil
		}
		query.Set("cursor", *page.NextCursor)
	}
}
