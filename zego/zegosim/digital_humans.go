package zegosim

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
	"zego-mcp/zego"
)

const avatarLifetime = 24 * time.Hour

// digitalHuman and action are written down here once more, not shared with
// package zego: a wrong name there shall not agree with itself. The keys are in
// the order of ZEGO's examples.
type digitalHuman struct {
	DigitalHumanID string `json:"DigitalHumanId"`
	Name           string
	AvatarURL      string   `json:"AvatarUrl"`
	Actions        []action // never nil
	IsPublic       bool
}

type action struct {
	Action     string
	PreviewURL string `json:"PreviewUrl"`
}

// getDigitalHumanList lists in the order of Humans.
//
// Assumed: ZEGO documents no order.
func (s *Server) getDigitalHumanList(r *request) (any, *refusal) {
	mode := zego.FetchMode(r.params.number("FetchMode", 1, 1, 3))
	offset := r.params.number("Offset", 0, 0, 1_000_000)
	limit := r.params.number("Limit", 20, 1, 20)
	if r.params.no != nil {
		return nil, r.params.no
	}

	var out struct {
		Total         int
		DigitalHumans []digitalHuman
	}
	out.DigitalHumans = []digitalHuman{} // past the end, it is empty but there
	for _, human := range s.humans() {
		if mode == zego.FetchPublic && !human.IsPublic || mode == zego.FetchPrivate && human.IsPublic {
			continue
		}
		if out.Total >= offset && len(out.DigitalHumans) < limit {
			out.DigitalHumans = append(out.DigitalHumans, r.describe(human))
		}
		out.Total++
	}
	return out, nil
}

func (s *Server) getDigitalHumanInfo(r *request) (any, *refusal) {
	id := r.params.required("DigitalHumanId")
	if r.params.no != nil {
		return nil, r.params.no
	}
	human, no := s.human(id)
	if no != nil {
		return nil, no
	}
	return r.describe(human), nil
}

// describe puts a digital human on the wire, with URLs the caller can open.
func (r *request) describe(human zego.DigitalHuman) digitalHuman {
	out := digitalHuman{
		DigitalHumanID: human.ID,
		Name:           human.Name,
		AvatarURL:      human.AvatarURL,
		Actions:        make([]action, len(human.Gestures)),
		IsPublic:       human.IsPublic,
	}
	if out.AvatarURL == "" {
		out.AvatarURL = r.origin + avatarPath(human.ID, r.now)
	}
	for i, a := range human.Gestures {
		out.Actions[i] = action{a.Name, a.PreviewURL}
		if a.PreviewURL == "" {
			out.Actions[i].PreviewURL = r.origin + previewPath(human.ID, a.Name)
		}
	}
	return out
}

// avatarPath ends in Expires like ZEGO's pre-signed URLs, though nothing signs it.
func avatarPath(id string, now time.Time) string {
	return "/avatars/" + url.PathEscape(id) + ".png?Expires=" + strconv.FormatInt(now.Add(avatarLifetime).Unix(), 10)
}

func previewPath(id, action string) string {
	return "/previews/" + url.PathEscape(id) + "/" + url.PathEscape(action) + ".gif"
}

func (s *Server) humans() []zego.DigitalHuman {
	if s.Humans == nil {
		return defaultHumans()
	}
	return s.Humans
}

func (s *Server) human(id string) (zego.DigitalHuman, *refusal) {
	for _, human := range s.humans() {
		if human.ID == id {
			return human, nil
		}
	}
	return zego.DigitalHuman{}, refuse(zego.CodeDigitalHumanNotFound, "digital human %q not found", id)
}

// defaultHumans is shared and must not be changed.
var defaultHumans = sync.OnceValue(DefaultHumans)

// DefaultHumans returns the digital humans of a zero Server: 48 public and 16
// private ones, always the same. Half of them have actions. Their URLs are empty,
// for the Server to fill in.
func DefaultHumans() []zego.DigitalHuman {
	humans := make([]zego.DigitalHuman, len(cast))
	for i, c := range cast {
		actions := []zego.Gesture{}
		if i%2 == 0 {
			for _, name := range gestures[i/2%len(gestures)] {
				actions = append(actions, zego.Gesture{Name: name})
			}
		}
		humans[i] = zego.DigitalHuman{
			ID:       castID(i),
			Name:     c.name,
			IsPublic: i%4 != 3,
			Gestures: actions,
		}
	}
	return humans
}

// castID returns an id that stays when names change.
func castID(i int) string {
	if cast[i].id != "" {
		return cast[i].id
	}
	return madeUpID(fmt.Sprintf("zegosim digital human %d", i))
}

// madeUpID returns a UUID that is always the same for the same seed.
func madeUpID(seed string) string {
	h := sha256.Sum256([]byte(seed))
	h[6] = h[6]&0x0f | 0x40
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// gestures are sets of action names, the first that of ZEGO's example.
var gestures = [][]string{
	{"802_921474", "790_421367", "804_750085", "idle_action", "mute_action"},
	{"wave_hand", "shake_hands", "idle_action"},
	{"wave_hand", "nod", "thumbs_up", "idle_action", "mute_action"},
	{"811_330528", "idle_action"},
	{"bow", "invite_left", "invite_right", "idle_action"},
	{"mute_action"},
	{"heart_hands", "wave_hand", "clap", "idle_action"},
}

// cast is the default digital humans: every fourth is private, every other has
// actions. The ids given are those of ZEGO's documents and samples. The looks are
// only for the picture.
var cast = []struct {
	id, name string
	looks    looks
}{
	{"fa592895-d988-4584-b27b-97b8f4b921ad", "知小白", looks{true, 1}},
	{"63c3aa64-1d80-4b04-a0be-1c65614eb7eb", "Sophia", looks{true, 1}},
	{"c4b56d5c-db98-4d91-86d4-5a97b507da97", "林晓雨", looks{true, 0}},
	{"077f52b8-1513-49f8-af14-54a57dadda2e", "Daniel Brooks", looks{false, 1}},
	{"416dc43c-0d00-40c9-a0ca-efdf234508bf", "Emma", looks{true, 0}},
	{"7a08e6e1-d6a9-43c9-a99f-8be184468d1b", "陈浩然", looks{false, 1}},
	{"20be9bfb-ef6b-4d63-8c3b-1f20077599c5", "Amara", looks{true, 5}},
	{"", "James", looks{false, 0}},
	{"", "王子轩", looks{false, 1}},
	{"", "Priya", looks{true, 3}},
	{"", "Lucas", looks{false, 2}},
	{"", "品牌主播 苏晴", looks{true, 1}},
	{"", "Yuki", looks{true, 0}},
	{"", "Malik", looks{false, 5}},
	{"", "李思琪", looks{true, 1}},
	{"", "Olivia Hart", looks{true, 0}},
	{"", "Carlos", looks{false, 3}},
	{"", "Ingrid", looks{true, 0}},
	{"", "赵明远", looks{false, 1}},
	{"", "Support Desk Nadia", looks{true, 2}},
	{"", "Zoë", looks{true, 4}},
	{"", "Kenji", looks{false, 1}},
	{"", "Isabella", looks{true, 2}},
	{"", "周老师", looks{false, 1}},
	{"", "Thabo", looks{false, 5}},
	{"", "Hana", looks{true, 1}},
	{"", "Noah", looks{false, 0}},
	{"", "Mei Tan", looks{true, 1}},
	{"", "Fatima", looks{true, 3}},
	{"", "Oliver", looks{false, 0}},
	{"", "张雅婷", looks{true, 0}},
	{"", "Marcus Reed", looks{false, 5}},
	{"", "Linh", looks{true, 2}},
	{"", "Mateo", looks{false, 2}},
	{"", "Chloe", looks{true, 0}},
	{"", "导购员 小雅", looks{true, 1}},
	{"", "Arjun", looks{false, 3}},
	{"", "Freya", looks{true, 0}},
	{"", "刘宇航", looks{false, 1}},
	{"", "Grace Okafor", looks{true, 5}},
	{"", "Seo-yeon", looks{true, 0}},
	{"", "Omar", looks{false, 3}},
	{"", "Valentina", looks{true, 2}},
	{"", "客服 小慧", looks{true, 1}},
	{"", "Henrik", looks{false, 0}},
	{"", "Ngozi", looks{true, 5}},
	{"", "孙若曦", looks{true, 1}},
	{"", "Professor Adler", looks{false, 0}},
	{"", "Min-jun", looks{false, 1}},
	{"", "Camila", looks{true, 3}},
	{"", "Samuel", looks{false, 4}},
	{"", "News Anchor Claire", looks{true, 0}},
	{"", "黄子墨", looks{false, 1}},
	{"", "Leila", looks{true, 2}},
	{"", "Rafael", looks{false, 3}},
	{"", "新闻主播 高远", looks{false, 1}},
	{"", "Anjali", looks{true, 4}},
	{"", "Ethan", looks{false, 0}},
	{"", "何诗涵", looks{true, 0}},
	{"", "Coach Tyrell", looks{false, 5}},
	{"", "Sakura", looks{true, 0}},
	{"", "Aleksandr", looks{false, 0}},
	{"", "Beatriz", looks{true, 2}},
	{"", "吴教授", looks{false, 1}},
}

// servePicture serves what AvatarURL and PreviewURL point to.
func (s *Server) servePicture(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "zego-simulator: pictures take GET", http.StatusMethodNotAllowed)
		return
	}
	id, action, contentType, ok := s.pictureOf(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	if action == "" {
		expires, err := strconv.ParseInt(r.URL.Query().Get("Expires"), 10, 64)
		if err != nil || s.now().Unix() > expires {
			http.Error(w, "zego-simulator: this URL has expired", http.StatusForbidden)
			return
		}
	}

	draw := func() []byte { return drawAvatar(id) }
	if action != "" {
		draw = func() []byte { return drawPreview(id, action) }
	}
	picture, _ := s.pictures.LoadOrStore(r.URL.Path, sync.OnceValue(draw))
	body := picture.(func() []byte)()
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// pictureOf finds the picture that path names; action is empty for an avatar.
// Only pictures of known digital humans and timbres exist, which bounds how many
// are kept.
func (s *Server) pictureOf(path string) (id, action, contentType string, ok bool) {
	for _, human := range s.humans() {
		if path == "/avatars/"+human.ID+".png" {
			return human.ID, "", "image/png", true
		}
		for _, a := range human.Gestures {
			if path == "/previews/"+human.ID+"/"+a.Name+".gif" {
				return human.ID, a.Name, "image/gif", true
			}
		}
	}
	for _, timbre := range s.timbres() {
		if path == "/avatars/"+timbre.ID+".png" {
			return timbre.ID, "", "image/png", true
		}
	}
	return "", "", "", false
}
