package zegosim

import (
	"slices"
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
