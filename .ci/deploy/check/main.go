// Check checks the folder deploy: that Kubernetes' own types accept every field of the manifests,
// that Prometheus can parse the alert rules and the queries of the dashboard, and that these name
// only metrics that a running server has.
//
//	go run . DEPLOY METRICS-URL
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(deploy, metricsURL string) error {
	known, err := scrape(metricsURL)
	if err != nil {
		return err
	}
	var problems []error
	objects, err := checkManifests(filepath.Join(deploy, "kubernetes"))
	problems = append(problems, err)
	queries, err := dashboardQueries(filepath.Join(deploy, "grafana-dashboard.json"))
	problems = append(problems, err)
	rules, err := ruleQueries(filepath.Join(deploy, "prometheus-rules.yaml"))
	problems = append(problems, err)
	queries = append(queries, rules...)
	for _, query := range queries {
		problems = append(problems, checkQuery(query, known))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	fmt.Printf("deploy: %d Kubernetes objects, %d queries, %d metrics\n", objects, len(queries), len(known))
	return nil
}

// scrape returns the names of the samples that a server has.
func scrape(url string) (map[string]bool, error) {
	resp, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	names := map[string]bool{"up": true} // Prometheus itself makes it.
	for line := range strings.Lines(string(text)) {
		// A histogram has samples only when something was measured.
		if metric, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(strings.TrimSpace(metric), " ")
			names[name] = true
			if kind == "histogram" {
				names[name+"_bucket"], names[name+"_count"], names[name+"_sum"] = true, true, true
			}
		}
	}
	return names, err
}

// kinds has, for each kind, a function that returns an empty object of it.
var kinds = map[string]func() any{
	"apps/v1 Deployment":                            func() any { return new(appsv1.Deployment) },
	"v1 ConfigMap":                                  func() any { return new(corev1.ConfigMap) },
	"v1 Namespace":                                  func() any { return new(corev1.Namespace) },
	"v1 Service":                                    func() any { return new(corev1.Service) },
	"networking.k8s.io/v1 NetworkPolicy":            func() any { return new(networkingv1.NetworkPolicy) },
	"policy/v1 PodDisruptionBudget":                 func() any { return new(policyv1.PodDisruptionBudget) },
	"kustomize.config.k8s.io/v1beta1 Kustomization": func() any { return new(types.Kustomization) },
}

// checkManifests decodes the manifests of a folder strictly, and checks that the selectors of
// Services, NetworkPolicies and PodDisruptionBudgets select a Deployment's pods. It returns how
// many objects there are.
func checkManifests(folder string) (objects int, err error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return 0, err
	}
	var problems []error
	var pods []map[string]string
	selectors := map[string]map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return 0, err
		}
		for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
			object, name, err := decode(document)
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", file, err))
				continue
			}
			objects++
			switch o := object.(type) {
			case *appsv1.Deployment:
				pods = append(pods, o.Spec.Template.Labels)
				selectors[name] = o.Spec.Selector.MatchLabels
			case *corev1.Service:
				selectors[name] = o.Spec.Selector
			case *networkingv1.NetworkPolicy:
				selectors[name] = o.Spec.PodSelector.MatchLabels
			case *policyv1.PodDisruptionBudget:
				selectors[name] = o.Spec.Selector.MatchLabels
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(selectors)) {
		selector := selectors[name]
		if !slices.ContainsFunc(pods, func(pod map[string]string) bool {
			for key, value := range selector {
				if pod[key] != value {
					return false
				}
			}
			return true
		}) {
			problems = append(problems, fmt.Errorf("%s selects no pod: %v", name, selector))
		}
	}
	return objects, errors.Join(problems...)
}

// decode decodes one object. A field that its type does not have is an error.
func decode(document []byte) (object any, name string, err error) {
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct{ Name string }
	}
	if err := yaml.Unmarshal(document, &head); err != nil {
		return nil, "", err
	}
	kind := head.APIVersion + " " + head.Kind
	empty, ok := kinds[kind]
	if !ok {
		return nil, "", fmt.Errorf("unknown kind %q", kind)
	}
	object, name = empty(), kind+" "+head.Metadata.Name
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	return object, name, nil
}

// dashboardQueries returns the queries of a dashboard.
func dashboardQueries(file string) (queries []string, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var dashboard struct {
		Panels []struct {
			Type    string
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, panel := range dashboard.Panels {
		if panel.Type != "row" && len(panel.Targets) == 0 {
			return nil, fmt.Errorf("%s: the panel %q has no query", file, panel.Title)
		}
		for _, target := range panel.Targets {
			query := strings.NewReplacer("$__rate_interval", "5m", "$job", "zego-mcp").Replace(target.Expr)
			queries = append(queries, query)
		}
	}
	return queries, nil
}

// ruleQueries returns the queries of a file of rules.
func ruleQueries(file string) (queries []string, err error) {
	groups, errs := rulefmt.ParseFile(file, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			queries = append(queries, rule.Expr)
		}
	}
	return queries, nil
}

// checkQuery parses a query, and checks that its metrics are known.
func checkQuery(query string, known map[string]bool) error {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	var problems []error
	for _, selectors := range parser.ExtractSelectors(expr) {
		for _, matcher := range selectors {
			if matcher.Name == labels.MetricName && !known[matcher.Value] {
				problems = append(problems, fmt.Errorf("%s: no server has %s", query, matcher.Value))
			}
		}
	}
	return errors.Join(problems...)
}
