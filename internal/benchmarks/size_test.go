package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// maxBinary is how large the program may be, as releases are built. The Go version and the
// system matter little.
const maxBinary = 21_800_000

// reflectMethod matches a line in which the linker says that a function needs all methods.
var reflectMethod = regexp.MustCompile(`(?m)^(\S+)(?: <\w+>)* -> (\S+) <ReflectMethod>$`)

// TestBinary checks that the program is no larger than maxBinary, and that the linker leaves
// out the methods that nothing calls. It cannot do so if a function that is reachable looks a
// method up by a name that is not a constant: executing a text/template does that, and so do
// kong's Parse, Validate and Run.
func TestBinary(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "zego-mcp")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w -dumpdep", "-o", binary, "../..")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	for _, edge := range reflectMethod.FindAllSubmatch(out, 5) {
		t.Errorf("%s calls %s, so that the linker keeps all methods of all types", edge[1], edge[2])
	}
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > maxBinary {
		t.Errorf("the program has %d bytes, and may have %d", info.Size(), maxBinary)
	}
}
