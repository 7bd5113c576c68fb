package tools

import "testing"

// TestPublicAddresses checks to which addresses the client of models' URLs connects.
func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	for address, public := range map[string]bool{
		"8.8.8.8:443": true, "[2001:4860:4860::8888]:443": true,
		"127.0.0.1:80": false, "10.0.0.1:443": false, "[::1]:443": false, "169.254.169.254:80": false, "example.com:443": false,
	} {
		if err := checkPublic("tcp", address, nil); (err == nil) != public {
			t.Errorf("%s: got %v", address, err)
		}
	}
}
