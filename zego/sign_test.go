package zego_test

import (
	"testing"
	"zego-mcp/zego"
)

// TestSign uses one example of ZEGO's, the first, and others that md5sum computed.
func TestSign(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		appID         uint32
		nonce, secret string
		timestamp     int64
		want          string
	}{
		{12345, "4fd24687296dd9f3", "9193cc662a4c0ec135ec71fb57194b38", 1615186943, "43e5cfcca828314675f91b001390566a"},
		{1234567890, "0011223344556677", "0123456789abcdef0123456789abcdef", 1700000000, "91b50e1bf478b4327ae9eac91a96c4db"},
		{4294967295, "ffffffffffffffff", "00000000000000000000000000000000", 1774000000, "4502ad7701681b6c8473fffc1d4c97a5"},
		{1234567890, "15215528852396", "0123456789abcdef0123456789abcdef", 1234567890, "938fc5ae453d3a52392cf77fa9580d02"},
	} {
		if got := zego.Sign(tt.appID, tt.nonce, tt.secret, tt.timestamp); got != tt.want {
			t.Errorf("Sign(%d, %q, …, %d): got %s, want %s", tt.appID, tt.nonce, tt.timestamp, got, tt.want)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		zego.Sign(1234567890, "0011223344556677", "0123456789abcdef0123456789abcdef", 1700000000)
	}
}
