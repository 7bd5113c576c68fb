package zegosim

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim/faces"
)

// DefaultHumans returns the digital humans of a zero Server: 48 public and 16
// private ones, always the same. Half of them have gestures. Their URLs are empty,
// for the Server to fill in.
func DefaultHumans() []zego.DigitalHuman { return MakeHumans(len(people)) }

// MakeHumans returns count digital humans, always the same. The first 64 are those of
// DefaultHumans. For more their names are used again, with a number: "Sophia 2". A quarter of
// them is private, and half of them have gestures. Their URLs are empty, for the Server to
// fill in.
func MakeHumans(count int) []zego.DigitalHuman {
	humans := make([]zego.DigitalHuman, count)
	for i := range humans {
		name, _, _ := parse(people[i%len(people)])
		if round := i / len(people); round > 0 {
			name = fmt.Sprintf("%s %d", name, round+1)
		}
		humans[i] = zego.DigitalHuman{ID: humanID(i), Name: name, IsPublic: i%4 != 3, Gestures: []zego.Gesture{}}
		if i%2 == 0 {
			for _, name := range gestures[i/2%len(gestures)] {
				humans[i].Gestures = append(humans[i].Gestures, zego.Gesture{Name: name})
			}
		}
	}
	return humans
}

// DefaultTimbres returns the timbres of a zero Server, always the same: 36 public
// ones, and private ones of 6 of the 16 private digital humans, of which one has 23.
// Their URLs are empty, for the Server to fill in.
func DefaultTimbres() []Timbre {
	var timbres []Timbre
	for i, entry := range publicVoices {
		name, _, _ := parse(entry)
		timbres = append(timbres, Timbre{ID: timbreID(i), Name: name})
	}
	for _, v := range privateVoices {
		for _, name := range v.names {
			timbres = append(timbres, Timbre{ID: timbreID(len(timbres)), Name: name, DigitalHumanID: humanID(v.owner)})
		}
	}
	return timbres
}

// The Server itself uses these copies of the defaults. They must not be changed.
var (
	defaultHumans  = sync.OnceValue(DefaultHumans)
	defaultTimbres = sync.OnceValue(DefaultTimbres)
)

// faceOf returns the face of a digital human or a timbre. It suits the name if that is one of
// MakeHumans or DefaultTimbres, and depends on the id alone otherwise.
func faceOf(id, name string) faces.Face {
	if face, ok := defaultFaces()[id]; ok {
		return face
	}
	if face, ok := looks()[strings.TrimRight(name, " 0123456789")]; ok {
		face.Seed = id
		return face
	}
	return faces.Random(id)
}

// looks returns faces without a Seed that suit the names of people.
var looks = sync.OnceValue(func() map[string]faces.Face {
	byName := make(map[string]faces.Face)
	for _, entry := range people {
		name, woman, skin := parse(entry)
		byName[name] = faces.Face{Woman: woman, Skin: skin}
	}
	return byName
})

// defaultFaces returns the faces of the default digital humans and timbres by id.
var defaultFaces = sync.OnceValue(func() map[string]faces.Face {
	byID := make(map[string]faces.Face)
	for i, entry := range people {
		_, woman, skin := parse(entry)
		byID[humanID(i)] = faces.Face{Seed: humanID(i), Woman: woman, Skin: skin}
	}
	for i, t := range defaultTimbres() {
		face := byID[t.DigitalHumanID] // A private timbre looks like its owner.
		if i < len(publicVoices) {
			_, face.Woman, face.Skin = parse(publicVoices[i])
		}
		face.Seed = t.ID
		byID[t.ID] = face
	}
	return byID
})

// documentedHumans are the ids of the first digital humans, from ZEGO's documents and
// samples.
var documentedHumans = []string{
	"fa592895-d988-4584-b27b-97b8f4b921ad",
	"63c3aa64-1d80-4b04-a0be-1c65614eb7eb",
	"c4b56d5c-db98-4d91-86d4-5a97b507da97",
	"077f52b8-1513-49f8-af14-54a57dadda2e",
	"416dc43c-0d00-40c9-a0ca-efdf234508bf",
	"7a08e6e1-d6a9-43c9-a99f-8be184468d1b",
	"20be9bfb-ef6b-4d63-8c3b-1f20077599c5",
}

// documentedTimbres are the ids of the first timbres, from the same source.
var documentedTimbres = []string{
	"d4bc0764-c074-44fd-b43e-46acdf87fcd9",
	"0f50d026-aeed-4af9-9b31-ada92084a41a",
}

func humanID(i int) string {
	if i < len(documentedHumans) {
		return documentedHumans[i]
	}
	return madeUpID(fmt.Sprintf("zegosim digital human %d", i))
}

func timbreID(i int) string {
	if i < len(documentedTimbres) {
		return documentedTimbres[i]
	}
	return madeUpID(fmt.Sprintf("zegosim timbre %d", i))
}

// madeUpID returns a UUID that is always the same for the same seed.
func madeUpID(seed string) string {
	h := sha256.Sum256([]byte(seed))
	h[6] = h[6]&0x0f | 0x40
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// gestures are the sets of gestures that digital humans have. The first set is that
// of ZEGO's example.
var gestures = [][]string{
	{"802_921474", "790_421367", "804_750085", "idle_action", "mute_action"},
	{"wave_hand", "shake_hands", "idle_action"},
	{"wave_hand", "nod", "thumbs_up", "idle_action", "mute_action"},
	{"811_330528", "idle_action"},
	{"bow", "invite_left", "invite_right", "idle_action"},
	{"mute_action"},
	{"heart_hands", "wave_hand", "clap", "idle_action"},
}

// parse reads an entry of people or publicVoices, such as "Sophia w1". It holds the
// name, w or m for the picture of a woman or a man, and the skin as in faces.Face.
func parse(entry string) (name string, woman bool, skin int) {
	end := len(entry) - 3
	return entry[:end], entry[end+1] == 'w', int(entry[end+2] - '0')
}

// people are the default digital humans. In each row the first three are public and
// the fourth is private; the first and the third have gestures.
var people = []string{
	"知小白 w1", "Sophia w1", "林晓雨 w0", "Daniel Brooks m1",
	"Emma w0", "陈浩然 m1", "Amara w5", "James m0",
	"王子轩 m1", "Priya w3", "Lucas m2", "品牌主播 苏晴 w1",
	"Yuki w0", "Malik m5", "李思琪 w1", "Olivia Hart w0",
	"Carlos m3", "Ingrid w0", "赵明远 m1", "Support Desk Nadia w2",
	"Zoë w4", "Kenji m1", "Isabella w2", "周老师 m1",
	"Thabo m5", "Hana w1", "Noah m0", "Mei Tan w1",
	"Fatima w3", "Oliver m0", "张雅婷 w0", "Marcus Reed m5",
	"Linh w2", "Mateo m2", "Chloe w0", "导购员 小雅 w1",
	"Arjun m3", "Freya w0", "刘宇航 m1", "Grace Okafor w5",
	"Seo-yeon w0", "Omar m3", "Valentina w2", "客服 小慧 w1",
	"Henrik m0", "Ngozi w5", "孙若曦 w1", "Professor Adler m0",
	"Min-jun m1", "Camila w3", "Samuel m4", "News Anchor Claire w0",
	"黄子墨 m1", "Leila w2", "Rafael m3", "新闻主播 高远 m1",
	"Anjali w4", "Ethan m0", "何诗涵 w0", "Coach Tyrell m5",
	"Sakura w0", "Aleksandr m0", "Beatriz w2", "吴教授 m1",
}

// publicVoices are the default public timbres.
var publicVoices = []string{
	"知小白 w1", "Warm Female - Ava w0", "Calm Male - Nathan m0", "温柔女声 小柔 w1",
	"磁性男声 云帆 m1", "News Anchor - Charlotte w0", "Narrator - George m0", "知性女声 静仪 w0",
	"阳光青年 子扬 m1", "Cheerful Female - Lily w3", "Energetic Male - Diego m2", "甜美女声 糖糖 w1",
	"新闻男声 正岩 m1", "Support Agent - Naomi w5", "Support Agent - Ravi m3", "客服女声 晓晓 w0",
	"直播女声 娜娜 w1", "British Female - Imogen w0", "British Male - Rupert m0", "讲故事 老杨 m1",
	"童声 豆豆 m0", "Child - Penny w2", "Teacher - Dr. Amina w4", "播音女声 若兰 w1",
	"四川话 川妹 w0", "粤语女声 嘉欣 w1", "粤语男声 家明 m1", "东北话 大鹏 m0",
	"Deep Male - Isaac m5", "Soft Female - Elena w2", "Japanese Female - Aoi w0", "Spanish Female - Lucía w2",
	"解说男声 浩宇 m1", "电台男声 夜航 m1", "Storyteller - Winston m4", "元气少女 小桃 w1",
}

// privateVoices are the default private timbres of people[owner].
var privateVoices = []struct {
	owner int
	names []string
}{
	{3, []string{"Daniel Brooks", "Daniel Brooks - Keynote"}},
	{11, []string{
		"苏晴", "苏晴 温柔", "苏晴 活泼", "苏晴 直播带货", "苏晴 新品发布", "苏晴 限时秒杀", "苏晴 感谢关注", "苏晴 答疑",
		"苏晴 晚安电台", "苏晴 新闻播报", "苏晴 品牌故事", "苏晴 美妆", "苏晴 母婴", "苏晴 数码", "苏晴 美食", "苏晴 旅行",
		"苏晴 粤语", "苏晴 四川话", "Su Qing - English", "Su Qing - English, Warm", "Su Qing - Japanese", "苏晴 慢速", "苏晴 童话",
	}},
	{15, []string{"Olivia Hart", "Olivia Hart - Whisper", "Olivia Hart - Excited"}},
	{19, []string{"Nadia", "Nadia - Arabic"}},
	{43, []string{"小慧", "小慧 安抚", "小慧 粤语"}},
	{51, []string{"Claire", "Claire - Breaking News"}},
}
