package pictures_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"zego-mcp/tools/pictures"
)

// publicAddress is what the resolver of the tests says of host names on the internet. Nothing is
// sent to it: the dialer of the tests connects to a server of the test in its place.
const publicAddress = "93.184.216.34"

// internet is a server that the tests reach by the name example.com, as if it were on the
// internet.
type internet struct {
	*httptest.Server
	fetcher *pictures.Fetcher
	lookups atomic.Int32

	mu     sync.Mutex // guards dialed
	dialed []string   // The addresses that a connection was asked for.
}

// newInternet serves handler. lookup returns the addresses of a host name at the nth lookup; nil
// means publicAddress.
func newInternet(t *testing.T, handler http.HandlerFunc, loopbackHost string, lookup func(host string, n int) []string) *internet {
	t.Helper()
	in := &internet{Server: httptest.NewTLSServer(handler)}
	t.Cleanup(in.Close)
	roots := x509.NewCertPool()
	roots.AddCert(in.Certificate())
	in.fetcher = pictures.NewFetcher(pictures.FetcherOptions{
		LoopbackHost: loopbackHost,
		Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			n := int(in.lookups.Add(1))
			texts := []string{publicAddress}
			if lookup != nil {
				texts = lookup(host, n)
			}
			if texts == nil {
				return nil, errors.New("no such host")
			}
			var addrs []netip.Addr
			for _, text := range texts {
				addrs = append(addrs, netip.MustParseAddr(text))
			}
			return addrs, nil
		},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			in.mu.Lock()
			in.dialed = append(in.dialed, address)
			in.mu.Unlock()
			if address != loopbackHost {
				address = in.Listener.Addr().String()
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
		TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	})
	return in
}

// picture returns a picture of one colour, with a lower part of another.
func picture(width, height int) image.Image {
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(out, out.Bounds(), image.NewUniform(color.RGBA{200, 30, 30, 255}), image.Point{}, draw.Src)
	draw.Draw(out, image.Rect(0, min(width, height), width, height), image.NewUniform(color.RGBA{0, 0, 255, 255}), image.Point{}, draw.Src)
	return out
}

func pngOf(t *testing.T, p image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, p); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// hugePNG returns a PNG that says it has a size, and does not have the pixels.
func hugePNG(width, height uint32) []byte {
	header := binary.BigEndian.AppendUint32([]byte("IHDR"), width)
	header = append(binary.BigEndian.AppendUint32(header, height), 8, 6, 0, 0, 0)
	out := binary.BigEndian.AppendUint32([]byte("\x89PNG\r\n\x1a\n"), uint32(len(header)-4))
	return binary.BigEndian.AppendUint32(append(out, header...), crc32.ChecksumIEEE(header))
}

func TestThumbnail(t *testing.T) {
	t.Parallel()
	var asGIF, asJPEG bytes.Buffer
	if err := gif.Encode(&asGIF, picture(30, 30), nil); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&asJPEG, picture(300, 500), nil); err != nil {
		t.Fatal(err)
	}
	// The smallest lossless WebP: one pixel.
	webp := []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00")
	for name, tt := range map[string]struct {
		file []byte
		want string // "" if it can be shown.
	}{
		"PNG":                {pngOf(t, picture(300, 200)), ""},
		"JPEG, upright":      {asJPEG.Bytes(), ""},
		"GIF":                {asGIF.Bytes(), ""},
		"WebP":               {webp, ""},
		"one pixel":          {pngOf(t, picture(1, 1)), ""},
		"HTML":               {[]byte("<html>log in</html>"), "no PNG, JPEG, WebP or GIF"},
		"empty":              {nil, "no PNG"},
		"truncated":          {pngOf(t, picture(300, 300))[:200], "damaged"},
		"enormous":           {hugePNG(6000, 6000), "more than 25 megapixels"},
		"overflowing":        {hugePNG(1<<31-1, 1<<31-1), "no PNG"},
		"wide":               {hugePNG(25_000_001, 1), "more than 25 megapixels"},
		"decompression bomb": {hugePNG(50_000, 50_000), "more than 25 megapixels"},
		"too many bytes":     {append(pngOf(t, picture(3, 3)), make([]byte, pictures.MaxBytes)...), "larger than 5120 kB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newInternet(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "image/png") // The contents count, not this.
				if name == "too many bytes" {
					w.(http.Flusher).Flush() // Then there is no Content-Length.
				}
				_, _ = w.Write(tt.file)
			}, "", nil)
			got, err := pictures.NewStore(in.fetcher).Thumbnail(t.Context(), pictures.Picture{ID: "id", URL: "https://example.com/a.png?Signature=x"}, 64)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "Signature") {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			small, err := jpeg.Decode(bytes.NewReader(got))
			if err != nil || small.Bounds().Dx() != 64 || small.Bounds().Dy() != 64 {
				t.Fatalf("got %v, %v", small, err)
			}
			// The lower part of an upright picture, which is blue, is cut off.
			if r, _, b, _ := small.At(32, 60).RGBA(); name != "WebP" && (r < 0x8000 || b > 0x8000) {
				t.Errorf("the lower middle has red %x and blue %x", r, b)
			}
		})
	}
}

// TestFetchRefused fetches from addresses that must not be asked. Nothing may be sent to them.
func TestFetchRefused(t *testing.T) {
	t.Parallel()
	simulator := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
	}))
	t.Cleanup(simulator.Close)
	loopback := strings.TrimPrefix(simulator.URL, "http://")
	redirect := simulator.URL + "/?to="
	for _, tt := range []struct {
		url    string
		lookup func(host string, n int) []string
		want   string
		dialed []string
	}{
		{"http://example.com/a.png", nil, "no https URL", nil},
		{"ftp://example.com/a.png", nil, "no https URL", nil},
		{"file:///etc/passwd", nil, "no https URL", nil},
		{"https://user:pass@example.com/a.png", nil, "no https URL", nil},
		{"", nil, "no https URL", nil},
		{"https://\x00", nil, "malformed", nil},
		{"https://127.0.0.1/a.png", nil, "not on the internet", nil},
		{"https://[::1]/a.png", nil, "not on the internet", nil},
		{"https://[::ffff:10.0.0.1]/a.png", nil, "not on the internet", nil},
		{"https://169.254.169.254/latest/meta-data", nil, "not on the internet", nil},
		{"https://10.1.2.3/a.png", nil, "not on the internet", nil},
		{"https://100.64.0.1/a.png", nil, "not on the internet", nil},
		{"https://[fe80::1]/a.png", nil, "not on the internet", nil},
		{"https://example.com/a.png", func(string, int) []string { return []string{"192.168.0.1", "fd00::1"} }, "not on the internet", nil},
		{"https://example.com/a.png", func(string, int) []string { return nil }, "not known", nil},
		{"http://127.0.0.1:1/a.png", nil, "no https URL", nil},
		{redirect + "http://127.0.0.1:1/a.png", nil, "no https URL", []string{loopback}},
		{redirect + "https://127.0.0.1:1/a.png", nil, "not on the internet", []string{loopback}},
		{redirect + "http://" + loopback + "/a.png", nil, "not on the internet", []string{loopback}},
		{redirect + "https://" + loopback + "/a.png", nil, "not on the internet", []string{loopback}},
		{redirect + "http://example.com/a.png", nil, "no https URL", []string{loopback}},
		{redirect + "https://metadata.example/", func(string, int) []string { return []string{"169.254.169.254"} }, "not on the internet", []string{loopback}},
	} {
		in := newInternet(t, func(http.ResponseWriter, *http.Request) { t.Errorf("%s: a request was sent", tt.url) }, loopback, tt.lookup)
		_, _, err := in.fetcher.Fetch(t.Context(), tt.url, 1000)
		if _, ok := errors.AsType[*pictures.FetchError](err); !ok || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.url, err, tt.want)
		}
		if !slices.Equal(in.dialed, tt.dialed) {
			t.Errorf("%s: connected to %v, want %v", tt.url, in.dialed, tt.dialed)
		}
	}
}

// TestNameChangesItsAddress has a name that means a private address when it is looked up again.
// The connection goes to the address that was checked, and a second one is refused.
func TestNameChangesItsAddress(t *testing.T) {
	t.Parallel()
	in := newInternet(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = w.Write([]byte("file"))
	}, "", func(_ string, n int) []string {
		if n == 1 {
			return []string{"10.0.0.1", publicAddress}
		}
		return []string{"10.0.0.1"}
	})
	if _, _, err := in.fetcher.Fetch(t.Context(), "https://example.com/a.png", 1000); err != nil {
		t.Error(err)
	}
	if _, _, err := in.fetcher.Fetch(t.Context(), "https://example.com/a.png", 1000); err == nil || !strings.Contains(err.Error(), "not on the internet") {
		t.Errorf("got %v", err)
	}
	if want := []string{publicAddress + ":443"}; !slices.Equal(in.dialed, want) {
		t.Errorf("connected to %v, want %v", in.dialed, want)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	in := newInternet(t, func(w http.ResponseWriter, r *http.Request) {
		if left := len(r.URL.Path); left > 1 {
			http.Redirect(w, r, "https://example.com"+r.URL.Path[:left-1], http.StatusFound)
			return
		}
		_, _ = w.Write([]byte("file"))
	}, "", nil)
	if got, _, err := in.fetcher.Fetch(t.Context(), "https://example.com/123", 1000); err != nil || string(got) != "file" {
		t.Errorf("3 redirects: got %q, %v", got, err)
	}
	if _, _, err := in.fetcher.Fetch(t.Context(), "https://example.com/1234", 1000); err == nil || !strings.Contains(err.Error(), "too many redirects") {
		t.Errorf("4 redirects: got %v", err)
	}
}

// TestServerFaults has servers that refuse, break off or are slow. No error tells the URL.
func TestServerFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		want    string
		gone    bool
	}{
		"expired":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "status 403", true},
		"not there":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, "status 404", true},
		"busy":        {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, "status 503", false},
		"breaks off":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "cannot be reached", false},
		"never sends": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "took too long", false},
		"stops sending": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("a"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "took too long", false},
		"says it is large": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1001") }, "larger than", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newInternet(t, tt.handler, "", nil)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, _, err := in.fetcher.Fetch(ctx, "https://example.com/a.png?Signature=topsecret", 1000)
			failed, ok := errors.AsType[*pictures.FetchError](err)
			if !ok || !strings.Contains(err.Error(), tt.want) || failed.Gone != tt.gone || strings.Contains(err.Error(), "topsecret") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestThumbnailsAreKept checks that a picture is fetched once until its URL expires, whatever
// its signature is, and that another size, digital human or path is another picture.
func TestThumbnailsAreKept(t *testing.T) {
	t.Parallel()
	var fetched atomic.Int32
	file := pngOf(t, picture(50, 50))
	in := newInternet(t, func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		_, _ = w.Write(file)
	}, "", nil)
	store := pictures.NewStore(in.fetcher)
	later := time.Now().Add(time.Hour)
	for i, tt := range []struct {
		picture pictures.Picture
		size    int
		want    int32
	}{
		{pictures.Picture{ID: "1", URL: "https://example.com/a?Signature=1", ExpiresAt: later}, 20, 1},
		{pictures.Picture{ID: "1", URL: "https://example.com/a?Signature=2", ExpiresAt: later}, 20, 1},
		{pictures.Picture{ID: "1", URL: "https://example.com/a?Signature=2", ExpiresAt: later}, 21, 2},
		{pictures.Picture{ID: "2", URL: "https://example.com/a?Signature=2", ExpiresAt: later}, 20, 3},
		{pictures.Picture{ID: "1", URL: "https://example.com/b?Signature=2", ExpiresAt: later}, 20, 4},
		{pictures.Picture{ID: "3", URL: "https://example.com/c", ExpiresAt: time.Now().Add(-time.Second)}, 20, 5},
		{pictures.Picture{ID: "3", URL: "https://example.com/c", ExpiresAt: later}, 20, 6},
	} {
		if _, err := store.Thumbnail(t.Context(), tt.picture, tt.size); err != nil || fetched.Load() != tt.want {
			t.Errorf("%d: fetched %d times, want %d; %v", i, fetched.Load(), tt.want, err)
		}
	}
}

// TestFetchesAtATime asks for many pictures at once. Only a few may be fetched at a time.
func TestFetchesAtATime(t *testing.T) {
	t.Parallel()
	var running, highest atomic.Int32
	in := newInternet(t, func(w http.ResponseWriter, _ *http.Request) {
		now := running.Add(1)
		defer running.Add(-1)
		for high := highest.Load(); now > high && !highest.CompareAndSwap(high, now); high = highest.Load() {
		}
		time.Sleep(5 * time.Millisecond) // So that requests meet, if they may.
		_, _ = w.Write([]byte("x"))
	}, "", nil)
	store := pictures.NewStore(in.fetcher)
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			_, _ = store.Thumbnail(t.Context(), pictures.Picture{ID: fmt.Sprint(i), URL: fmt.Sprintf("https://example.com/%d", i)}, 10)
		})
	}
	all.Wait()
	if got := highest.Load(); got < 2 || got > 6 {
		t.Errorf("%d fetched at a time", got)
	}
}

// TestStoreFetch gets a file as it is.
func TestStoreFetch(t *testing.T) {
	t.Parallel()
	in := newInternet(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "video/mp4")
		_, _ = w.Write([]byte("video"))
	}, "", nil)
	address := &url.URL{Scheme: "https", Host: "example.com", Path: "/a.mp4"}
	store := pictures.NewStore(in.fetcher)
	if got, mediaType, err := store.Fetch(t.Context(), address, 100); err != nil || string(got) != "video" || mediaType != "video/mp4" {
		t.Errorf("got %q, %q, %v", got, mediaType, err)
	}
	if _, _, err := store.Fetch(t.Context(), address, 4); err == nil {
		t.Error("got a file that is larger than allowed")
	}
}
