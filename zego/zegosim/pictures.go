package zegosim

import (
	"archive/zip"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim/faces"
)

const (
	avatarLifetime = 24 * time.Hour

	avatarSize  = 256 // pixels, wide and high
	previewSize = 128
)

// avatarPath ends in Expires like ZEGO's pre-signed URLs, though nothing signs it.
func avatarPath(id string, now time.Time) string {
	return "/avatars/" + url.PathEscape(id) + ".png?Expires=" + strconv.FormatInt(now.Add(avatarLifetime).Unix(), 10)
}

// previewPath ends in .gif: ZEGO's previews are videos, which the standard library
// cannot make.
func previewPath(id, gesture string) string {
	return "/previews/" + url.PathEscape(id) + "/" + url.PathEscape(gesture) + ".gif"
}

// packagePath is where the package of GetDigitalHumanRenderInfo is.
func packagePath(id string) string { return "/packages/" + url.PathEscape(id) + ".zip" }

// servePackage serves a ZIP archive with nothing in it: only ZEGO's SDK could use its content.
func (s *Server) servePackage(w http.ResponseWriter, r *http.Request, humanID string) {
	if _, err := s.human(humanID); err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	_ = zip.NewWriter(w).Close() // The caller may have left.
}

// servePicture serves what AvatarURL, PreviewURL and ClientInferencePackageUrl point to.
func (s *Server) servePicture(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "zego-simulator: pictures take GET", http.StatusMethodNotAllowed)
		return
	}
	if name, found := strings.CutPrefix(r.URL.Path, "/packages/"); found {
		s.servePackage(w, r, strings.TrimSuffix(name, ".zip"))
		return
	}
	face, gesture, ok := s.findPicture(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	contentType, draw := "image/gif", func() []byte { return face.GIF(previewSize, gesture) }
	if gesture == "" {
		expires, err := strconv.ParseInt(r.URL.Query().Get("Expires"), 10, 64)
		if err != nil || s.now().Unix() > expires {
			http.Error(w, "zego-simulator: this URL has expired", http.StatusForbidden)
			return
		}
		contentType, draw = "image/png", func() []byte { return face.PNG(avatarSize) }
	}

	picture, _ := s.pictures.LoadOrStore(r.URL.Path, sync.OnceValue(draw))
	body := picture.(func() []byte)()
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// findPicture returns whose picture is at path. The gesture is empty for an avatar.
// Only digital humans and timbres of the Server have pictures, which bounds how many
// pictures it keeps.
func (s *Server) findPicture(path string) (face faces.Face, gesture string, ok bool) {
	if file, isAvatar := strings.CutPrefix(path, "/avatars/"); isAvatar {
		id, isPNG := strings.CutSuffix(file, ".png")
		if !isPNG {
			return face, "", false
		}
		if human, err := s.human(id); err == nil {
			return faceOf(id, human.Name), "", true
		}
		all := s.timbres()
		if i := slices.IndexFunc(all, func(t Timbre) bool { return t.ID == id }); i >= 0 {
			return faceOf(id, all[i].Name), "", true
		}
		return face, "", false
	}
	file, isPreview := strings.CutPrefix(path, "/previews/")
	file, isGIF := strings.CutSuffix(file, ".gif")
	if !isPreview || !isGIF {
		return face, "", false
	}
	for _, human := range s.humans() { // An id may hold a slash, too.
		rest, _ := strings.CutPrefix(file, human.ID)
		gesture, isGesture := strings.CutPrefix(rest, "/")
		if len(rest) < len(file) && isGesture && slices.ContainsFunc(human.Gestures, func(g zego.Gesture) bool { return g.Name == gesture }) {
			return faceOf(human.ID, human.Name), gesture, true
		}
	}
	return face, "", false
}
