// Calls take for each event of one connection; call again with the last id when it ends.
func events(lastID string, take func(event, data, id string)) error {
	request, err := http.NewRequest("GET", gateway+"/sddcs/events", nil)
	if err != nil {
		return err
	}
	request.Header.Set("X-API-Key", key)
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	fields := map[string]string{}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 64<<20) // the first event has the whole list
	for lines.Scan() {
		line := lines.Text()
		if line == "" && fields["data"] != "" {
			take(fields["event"], fields["data"], fields["id"])
			fields = map[string]string{}
		} else if name, value, found := strings.Cut(line, ": "); found && name != "" {
			fields[name] = value
		}
	}
	return lines.Err()
}
