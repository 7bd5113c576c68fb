package zegosim

import (
	"fmt"
	"slices"
	"sync"
	"zego-mcp/zego"
)

// Timbre is a voice.
type Timbre struct {
	ID             string
	Name           string
	AvatarURL      string // empty: a picture that the Server draws
	DigitalHumanID string // whose private voice it is; empty: a public one
}

type timbre struct {
	TimbreID  string `json:"TimbreId"`
	Name      string
	AvatarURL string `json:"AvatarUrl"`
}

// getTimbreList lists the public timbres, or the private ones of a digital human, in
// the order of Timbres.
//
// Assumed: ZEGO documents no order, and no answer to an unknown DigitalHumanId.
func (s *Server) getTimbreList(r *request) (any, *refusal) {
	humanID := r.params.optional("DigitalHumanId", "")
	offset := r.params.number("Offset", 0, 0, 1_000_000)
	limit := r.params.number("Limit", 20, 1, 20)
	if r.params.no != nil {
		return nil, r.params.no
	}
	if humanID != "" {
		if _, no := s.human(humanID); no != nil {
			return nil, no
		}
	}

	var out struct {
		Total   int
		Timbres []timbre
	}
	out.Timbres = []timbre{} // past the end, it is empty but there
	for _, t := range s.timbres() {
		if t.DigitalHumanID != humanID {
			continue
		}
		if out.Total >= offset && len(out.Timbres) < limit {
			if t.AvatarURL == "" {
				t.AvatarURL = r.origin + avatarPath(t.ID, r.now)
			}
			out.Timbres = append(out.Timbres, timbre{t.ID, t.Name, t.AvatarURL})
		}
		out.Total++
	}
	return out, nil
}

// timbreFor refuses a timbre that human cannot speak with.
func (s *Server) timbreFor(human, id string) *refusal {
	all := s.timbres()
	i := slices.IndexFunc(all, func(t Timbre) bool { return t.ID == id })
	switch {
	case i < 0:
		return refuse(zego.CodeTimbreNotFound, "timbre %q not found", id)
	case all[i].DigitalHumanID != "" && all[i].DigitalHumanID != human:
		return refuse(zego.CodeTimbreNotSupported, "timbre %q is private to another digital human", id)
	}
	return nil
}

func (s *Server) timbres() []Timbre {
	if s.Timbres == nil {
		return defaultTimbres()
	}
	return s.Timbres
}

// defaultTimbres is shared and must not be changed.
var defaultTimbres = sync.OnceValue(DefaultTimbres)

// DefaultTimbres returns the timbres of a zero Server, always the same: 36 public
// ones, and private ones of 6 of the 16 private digital humans, of which one has 23.
// Their URLs are empty, for the Server to fill in.
func DefaultTimbres() []Timbre {
	timbres := make([]Timbre, len(voices))
	for i, v := range voices {
		timbres[i] = Timbre{ID: voiceID(i), Name: v.name}
		if v.of != 0 {
			timbres[i].DigitalHumanID = castID(v.of)
		}
	}
	return timbres
}

// voiceID returns an id that stays when names change.
func voiceID(i int) string {
	if voices[i].id != "" {
		return voices[i].id
	}
	return madeUpID(fmt.Sprintf("zegosim timbre %d", i))
}

// voices is the default timbres. The ids given are those of ZEGO's documents and
// samples; of is the index in cast of whom a private one belongs to.
var voices = []struct {
	id, name string
	of       int
	looks    looks
}{
	{"d4bc0764-c074-44fd-b43e-46acdf87fcd9", "知小白", 0, looks{true, 1}},
	{"0f50d026-aeed-4af9-9b31-ada92084a41a", "Warm Female - Ava", 0, looks{true, 0}},
	{"", "Calm Male - Nathan", 0, looks{false, 0}},
	{"", "温柔女声 小柔", 0, looks{true, 1}},
	{"", "磁性男声 云帆", 0, looks{false, 1}},
	{"", "News Anchor - Charlotte", 0, looks{true, 0}},
	{"", "Narrator - George", 0, looks{false, 0}},
	{"", "知性女声 静仪", 0, looks{true, 0}},
	{"", "阳光青年 子扬", 0, looks{false, 1}},
	{"", "Cheerful Female - Lily", 0, looks{true, 3}},
	{"", "Energetic Male - Diego", 0, looks{false, 2}},
	{"", "甜美女声 糖糖", 0, looks{true, 1}},
	{"", "新闻男声 正岩", 0, looks{false, 1}},
	{"", "Support Agent - Naomi", 0, looks{true, 5}},
	{"", "Support Agent - Ravi", 0, looks{false, 3}},
	{"", "客服女声 晓晓", 0, looks{true, 0}},
	{"", "直播女声 娜娜", 0, looks{true, 1}},
	{"", "British Female - Imogen", 0, looks{true, 0}},
	{"", "British Male - Rupert", 0, looks{false, 0}},
	{"", "讲故事 老杨", 0, looks{false, 1}},
	{"", "童声 豆豆", 0, looks{false, 0}},
	{"", "Child - Penny", 0, looks{true, 2}},
	{"", "Teacher - Dr. Amina", 0, looks{true, 4}},
	{"", "播音女声 若兰", 0, looks{true, 1}},
	{"", "四川话 川妹", 0, looks{true, 0}},
	{"", "粤语女声 嘉欣", 0, looks{true, 1}},
	{"", "粤语男声 家明", 0, looks{false, 1}},
	{"", "东北话 大鹏", 0, looks{false, 0}},
	{"", "Deep Male - Isaac", 0, looks{false, 5}},
	{"", "Soft Female - Elena", 0, looks{true, 2}},
	{"", "Japanese Female - Aoi", 0, looks{true, 0}},
	{"", "Spanish Female - Lucía", 0, looks{true, 2}},
	{"", "解说男声 浩宇", 0, looks{false, 1}},
	{"", "电台男声 夜航", 0, looks{false, 1}},
	{"", "Storyteller - Winston", 0, looks{false, 4}},
	{"", "元气少女 小桃", 0, looks{true, 1}},

	{"", "Daniel Brooks", 3, looks{false, 1}},
	{"", "Daniel Brooks - Keynote", 3, looks{false, 1}},
	{"", "苏晴", 11, looks{true, 1}},
	{"", "苏晴 温柔", 11, looks{true, 1}},
	{"", "苏晴 活泼", 11, looks{true, 1}},
	{"", "苏晴 直播带货", 11, looks{true, 1}},
	{"", "苏晴 新品发布", 11, looks{true, 1}},
	{"", "苏晴 限时秒杀", 11, looks{true, 1}},
	{"", "苏晴 感谢关注", 11, looks{true, 1}},
	{"", "苏晴 答疑", 11, looks{true, 1}},
	{"", "苏晴 晚安电台", 11, looks{true, 1}},
	{"", "苏晴 新闻播报", 11, looks{true, 1}},
	{"", "苏晴 品牌故事", 11, looks{true, 1}},
	{"", "苏晴 美妆", 11, looks{true, 1}},
	{"", "苏晴 母婴", 11, looks{true, 1}},
	{"", "苏晴 数码", 11, looks{true, 1}},
	{"", "苏晴 美食", 11, looks{true, 1}},
	{"", "苏晴 旅行", 11, looks{true, 1}},
	{"", "苏晴 粤语", 11, looks{true, 1}},
	{"", "苏晴 四川话", 11, looks{true, 1}},
	{"", "Su Qing - English", 11, looks{true, 1}},
	{"", "Su Qing - English, Warm", 11, looks{true, 1}},
	{"", "Su Qing - Japanese", 11, looks{true, 1}},
	{"", "苏晴 慢速", 11, looks{true, 1}},
	{"", "苏晴 童话", 11, looks{true, 1}},
	{"", "Olivia Hart", 15, looks{true, 0}},
	{"", "Olivia Hart - Whisper", 15, looks{true, 0}},
	{"", "Olivia Hart - Excited", 15, looks{true, 0}},
	{"", "Nadia", 19, looks{true, 2}},
	{"", "Nadia - Arabic", 19, looks{true, 2}},
	{"", "小慧", 43, looks{true, 1}},
	{"", "小慧 安抚", 43, looks{true, 1}},
	{"", "小慧 粤语", 43, looks{true, 1}},
	{"", "Claire", 51, looks{true, 0}},
	{"", "Claire - Breaking News", 51, looks{true, 0}},
}
