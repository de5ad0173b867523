type problem struct {
	Code, Detail string
	RequestID    string `json:"request_id"`
	Retryable    bool
	Errors       []struct {
		Parameter, Problem string
		DidYouMean         *string `json:"did_you_mean"`
	}
}

func (p problem) Error() string {
	return fmt.Sprintf("%s: %s (request %s)", p.Code, p.Detail, p.RequestID)
}

func problemOf(answer *http.Response) error {
	var told problem
	if err := json.NewDecoder(answer.Body).Decode(&told); err != nil {
		return fmt.Errorf("the gateway answers %s", answer.Status)
	}
	return told
}
