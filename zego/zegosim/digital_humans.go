package zegosim

import (
	"slices"
	"zego-mcp/zego"
)

// digitalHuman and action are written here again instead of taken from package zego, so
// that a wrong name there fails a test. Their keys are in the order of ZEGO's examples.
type digitalHuman struct {
	DigitalHumanID string `json:"DigitalHumanId"`
	Name           string
	AvatarURL      string   `json:"AvatarUrl"`
	Actions        []action // not null, even if it is empty
	IsPublic       bool
}

type action struct {
	Action     string
	PreviewURL string `json:"PreviewUrl"`
}

// getDigitalHumanList lists in the order of Humans.
//
// Assumed: ZEGO documents no order. InferenceMode, which older documents name and ZEGO's
// samples pass on, selects nothing: every digital human supports both modes.
func (s *Server) getDigitalHumanList(r *request) (any, error) {
	mode := zego.FetchMode(r.number("FetchMode", 1, 1, 3))
	r.number("InferenceMode", 1, 1, 2)
	offset, limit := r.offsetAndLimit()
	if r.err != nil {
		return nil, r.err
	}
	humans, total := selectPage(s.humans(), func(human *zego.DigitalHuman) bool {
		return mode == zego.FetchAll || human.IsPublic == (mode == zego.FetchPublic)
	}, offset, limit)
	var out struct {
		Total         int
		DigitalHumans []digitalHuman
	}
	out.Total = total
	out.DigitalHumans = []digitalHuman{} // Never null.
	for _, human := range humans {
		out.DigitalHumans = append(out.DigitalHumans, r.describe(human))
	}
	return out, nil
}

func (s *Server) getDigitalHumanInfo(r *request) (any, error) {
	id := r.required("DigitalHumanId")
	if r.err != nil {
		return nil, r.err
	}
	human, err := s.human(id)
	if err != nil {
		return nil, err
	}
	return r.describe(human), nil
}

// getDigitalHumanRenderInfo returns what ZEGO's mobile SDK draws a digital human with.
//
// Assumed: everything but the names of the fields and the code for an unknown digital human,
// which ZEGO's samples show. No document names this action.
func (s *Server) getDigitalHumanRenderInfo(r *request) (any, error) {
	id := r.required("DigitalHumanId")
	if r.err != nil {
		return nil, r.err
	}
	human, err := s.human(id)
	if err != nil {
		return nil, err
	}
	return struct {
		ClientInferencePackageURL string `json:"ClientInferencePackageUrl"`
		IsSupportSmallImageMode   bool
	}{r.origin + packagePath(human.ID), true}, nil
}

// describe returns how a digital human looks in an answer. Its URLs work for the caller.
func (r *request) describe(human zego.DigitalHuman) digitalHuman {
	out := digitalHuman{
		DigitalHumanID: human.ID,
		Name:           human.Name,
		AvatarURL:      human.AvatarURL,
		Actions:        make([]action, len(human.Gestures)),
		IsPublic:       human.IsPublic,
	}
	if out.AvatarURL == "" {
		out.AvatarURL = r.origin + avatarPath(human.ID, r.clock())
	}
	for i, a := range human.Gestures {
		out.Actions[i] = action{a.Name, a.PreviewURL}
		if a.PreviewURL == "" {
			out.Actions[i].PreviewURL = r.origin + previewPath(human.ID, a.Name)
		}
	}
	return out
}

func (s *Server) humans() []zego.DigitalHuman {
	if s.Humans == nil {
		return defaultHumans()
	}
	return s.Humans
}

func (s *Server) human(id string) (zego.DigitalHuman, error) {
	humans := s.humans()
	if i := slices.IndexFunc(humans, func(human zego.DigitalHuman) bool { return human.ID == id }); i >= 0 {
		return humans[i], nil
	}
	return zego.DigitalHuman{}, refuse(zego.CodeDigitalHumanNotFound, "digital human %q not found", id)
}
