package cli_test

import (
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// simulator is a running "zego-mcp simulate".
type simulator struct {
	*program
	env     []string // The variables that it printed.
	printed string   // All that it printed until it served.
}

// startSimulator starts a simulator on a free port.
func startSimulator(t *testing.T, args ...string) simulator {
	t.Helper()
	s := simulator{program: start(t, append([]string{"simulate", "--listen", "127.0.0.1:0"}, args...)...)}
	for !strings.Contains(s.printed, "The pictures of its digital humans") {
		line, err := s.stdout.ReadString('\n')
		if err != nil {
			text, _ := io.ReadAll(s.stderr)
			t.Fatalf("%v: %s", err, text)
		}
		s.printed += line
		if export, ok := strings.CutPrefix(strings.TrimSpace(line), "export "); ok {
			s.env = append(s.env, export)
		}
	}
	return s
}

// run runs zego-mcp with the variables that the simulator printed.
func (s simulator) run(t *testing.T, args ...string) (output string, exitCode int) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], args...)
	command.Env = append(append(os.Environ(), asProgram+"=1", "ZEGO_TOOLSETS=all", "XDG_STATE_HOME="+t.TempDir()), s.env...)
	out, err := command.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), command.ProcessState.ExitCode()
}

// stop ends the simulator and returns its log.
func (s simulator) stop(t *testing.T) (log string) {
	t.Helper()
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(s.stderr)
	if err := s.Wait(); err != nil {
		t.Errorf("got %v, want exit code 0", err)
	}
	return string(text)
}

// TestSimulateTLS calls a simulator with --tls from a program that trusts its certificate, and
// from one that does not.
func TestSimulateTLS(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		t.Skip("Go reads SSL_CERT_FILE on Unix other than macOS only")
	}
	file := filepath.Join(t.TempDir(), "it's a certificate.pem")
	s := startSimulator(t, "--tls", "--tls-cert-out", file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" || len(rest) > 0 {
		t.Fatalf("the file holds %s", text)
	}
	fingerprint := strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(block.Bytes)), " ", ":")
	quoted := `'` + strings.ReplaceAll(file, `'`, `'\''`) + `'`
	for _, want := range []string{"export ZEGO_ENDPOINT=https://127.0.0.1:", "export SSL_CERT_FILE=" + quoted + "\n", fingerprint, "NODE_EXTRA_CA_CERTS"} {
		if !strings.Contains(s.printed, want) {
			t.Errorf("%q is not in %s", want, s.printed)
		}
	}

	s.env = append(s.env[:3], "SSL_CERT_FILE="+file)
	if out, code := s.run(t, "call", "list_digital_humans", "Limit=1"); code != 0 || !strings.Contains(out, `"AvatarUrl":"https://127.0.0.1:`) {
		t.Errorf("with the certificate: exit code %d, %s", code, out)
	}
	s.env[0] = strings.Replace(s.env[0], "127.0.0.1", "localhost", 1)
	if out, code := s.run(t, "call", "list_digital_humans", "Limit=1"); code != 0 {
		t.Errorf("by the name localhost: exit code %d, %s", code, out)
	}
	if out, code := (simulator{env: s.env[:3]}).run(t, "call", "list_digital_humans"); code != 1 || !strings.Contains(out, "certificate") {
		t.Errorf("without the certificate: exit code %d, %s", code, out)
	}
	if log := s.stop(t); !strings.Contains(log, "TLS handshake error") {
		t.Errorf("the client that does not trust the certificate is not in the log: %s", log)
	}

	s = startSimulator(t, "--tls")
	if !strings.Contains(s.printed, "--tls-cert-out FILE") || strings.Contains(s.printed, "SSL_CERT_FILE") {
		t.Errorf("without a file: %s", s.printed)
	}
}

func TestSimulateHumans(t *testing.T) {
	t.Parallel()
	for humans, want := range map[string]string{"0": `{"Total":0,"DigitalHumans":[]`, "1": `{"Total":1,`, "10000": `{"Total":10000,`} {
		s := startSimulator(t, "--humans", humans)
		if out, code := s.run(t, "call", "list_digital_humans"); code != 0 || !strings.HasPrefix(out, want) {
			t.Errorf("--humans %s: exit code %d, %.200s", humans, code, out)
		}
		s.stop(t)
	}
}

// TestSimulateQPS calls a simulator without a rate limit more often than ZEGO allows.
func TestSimulateQPS(t *testing.T) {
	t.Parallel()
	s := startSimulator(t, "--qps", "0")
	endpoint := strings.TrimPrefix(s.env[0], "ZEGO_ENDPOINT=")
	for range 30 {
		now := time.Now().Unix()
		resp, err := http.Post(fmt.Sprintf("%s/?Action=GetTimbreList&AppId=%d&SignatureNonce=x&Timestamp=%d&SignatureVersion=2.0&Signature=%s",
			endpoint, zegosim.DefaultAppID, now, zego.Sign(zegosim.DefaultAppID, "x", zegosim.DefaultSecret, now)), "application/json", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !strings.HasPrefix(string(answer), `{"Code":0,`) {
			t.Fatalf("got %s, %v", answer, err)
		}
	}
}

// TestSimulateFaults runs tools against simulators on which one thing goes wrong.
func TestSimulateFaults(t *testing.T) {
	t.Parallel()
	human := zegosim.DefaultHumans()[0].ID
	create := []string{"call", "create_stream_task", "DigitalHumanId=" + human, "RoomId=studio"}
	t.Run("fail", func(t *testing.T) {
		t.Parallel()
		s := startSimulator(t, "--fail", "GetTimbreList=400010001", "--fail", "CreateDigitalHumanStreamTask=400010007")
		if !strings.Contains(s.printed, "CreateDigitalHumanStreamTask is refused with 400010007; GetTimbreList is refused with 400010001\n") {
			t.Errorf("printed %s", s.printed)
		}
		if out, code := s.run(t, "call", "list_timbres"); code != 1 || !strings.Contains(out, "400010001") {
			t.Errorf("list_timbres: exit code %d, %s", code, out)
		}
		if out, code := s.run(t, create...); code != 1 || !strings.Contains(out, "400010007") {
			t.Errorf("create_stream_task: exit code %d, %s", code, out)
		}
		if out, code := s.run(t, "call", "list_digital_humans"); code != 0 {
			t.Errorf("list_digital_humans: exit code %d, %s", code, out)
		}
	})
	t.Run("drop", func(t *testing.T) {
		t.Parallel()
		s := startSimulator(t, "--drop", "0.5")
		endpoint := strings.TrimPrefix(s.env[0], "ZEGO_ENDPOINT=")
		for i, want := range []bool{true, false, true, false} {
			resp, err := http.Get(endpoint + "/?Action=GetTimbreList")
			if (err == nil) != want {
				t.Errorf("call %d: got %v, want an answer: %t", i+1, err, want)
			}
			if err == nil {
				_ = resp.Body.Close()
			}
		}
		// The second create is dropped after it was carried out: the client finds its task.
		for range 2 {
			if out, code := s.run(t, create...); code != 0 {
				t.Errorf("create_stream_task: exit code %d, %s", code, out)
			}
		}
	})
	t.Run("latency", func(t *testing.T) {
		t.Parallel()
		s := startSimulator(t, "--latency", "300ms")
		begin := time.Now()
		if out, code := s.run(t, "call", "list_digital_humans"); code != 0 || time.Since(begin) < 300*time.Millisecond {
			t.Errorf("exit code %d after %v, %s", code, time.Since(begin), out)
		}
	})
	t.Run("lag", func(t *testing.T) {
		t.Parallel()
		s := startSimulator(t, "--lag", "1h")
		out, code := s.run(t, create...)
		if code != 0 || !strings.Contains(out, `"StatusName":"streaming"`) {
			t.Errorf("create_stream_task: exit code %d, %s", code, out)
		}
		if out, code := s.run(t, "call", "list_stream_tasks"); code != 0 || !strings.Contains(out, `"StreamTasks":[]`) {
			t.Errorf("list_stream_tasks: exit code %d, %s", code, out)
		}
	})
}
