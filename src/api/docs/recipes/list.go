func list() error {
	query := url.Values{"state": {"READY", "DEPLOYING"}, "fields": {"id,name,region"}}
	request, err := http.NewRequest("GET", gateway+"/sddcs?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("X-API-Key", key)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the gateway answers %s", answer.Status)
	}
	var page struct {
		Items []struct{ Name, Region string } // null is ""
	}
	if err := json.NewDecoder(answer.Body).Decode(&page); err != nil {
		return err
	}
	fmt.Println("age in seconds:", answer.Header.Get("Age"))
	for _, sddc := range page.Items {
		fmt.Println(sddc.Name, sddc.Region)
	}
	return nil
}
