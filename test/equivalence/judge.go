// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Class is a sort of mutations that need not be noticed.
type Class struct {
	Name, Reason string
	// Path matches the paths of all of them.
	Path *regexp.Regexp
}

// Classes are all sorts of mutations that may pass.
func Classes() []Class {
	return []Class{
		{
			Name:   "metadata",
			Reason: "labels, annotations and names that nothing refers to are the operator's own",
			Path:   regexp.MustCompile(`^(spec\.template\.)?metadata\.(labels|annotations|name)(\[.*)?$`),
		},
		{
			Name:   "names in pods",
			Reason: "a sidecar is known by its image and a port by its number; only who refers to a name needs it",
			Path:   regexp.MustCompile(`^spec\.template\.spec\.containers\[[^]]+\](\.ports\[[^]]+\])?\.name$`),
		},
		{
			Name:   "injected variables",
			Reason: "the operator gives them to every container, and no argument of this one refers to them",
			Path:   regexp.MustCompile(`\.env\[(CSI_ENDPOINT|KUBE_NODE_NAME|POD_NAME|POD_NAMESPACE)\]$`),
		},
	}
}

// Score is how many mutations were noticed.
type Score struct {
	Total, Noticed int
	// Equal are those that Kubernetes would treat like the original.
	Equal int
	// Excused counts those that passed by the class that allows it.
	Excused map[string]int
	// Missed are those that passed and may not.
	Missed []Mutation
}

func (s Score) String() string {
	excused := make([]string, 0, len(s.Excused))
	for _, name := range slices.Sorted(maps.Keys(s.Excused)) {
		excused = append(excused, fmt.Sprintf("%s %d", name, s.Excused[name]))
	}
	return fmt.Sprintf("%d of %d mutations noticed; %d equal; excused: %s; missed: %d",
		s.Noticed, s.Total, s.Equal, strings.Join(excused, ", "), len(s.Missed))
}

// plus is the score of two drivers together.
func (s Score) plus(other Score) Score {
	sum := Score{
		Total:   s.Total + other.Total,
		Noticed: s.Noticed + other.Noticed,
		Equal:   s.Equal + other.Equal,
		Excused: map[string]int{},
		Missed:  slices.Concat(s.Missed, other.Missed),
	}
	for _, one := range []Score{s, other} {
		for class, count := range one.Excused {
			sum.Excused[class] += count
		}
	}
	return sum
}

// Judge changes objects in every way and looks whether the comparison with want
// notices. Without a change, it has to be content.
func Judge(want Facts, objects []*unstructured.Unstructured, allow Allowances, classes []Class) (Score, error) {
	b := bench{want: want, leaves: want.leaves(), allow: allow, parts: map[*unstructured.Unstructured]part{}}
	for _, object := range objects {
		b.parts[object] = readObject(object)
	}
	if complaint := b.complain(objects); complaint != "" {
		return Score{}, fmt.Errorf("comparing what is unchanged: %s", complaint)
	}
	score := Score{Excused: map[string]int{}}
	for _, m := range Mutations(objects) {
		score.Total++
		switch {
		case b.complain(m.Objects()) != "":
			score.Noticed++
		case equal(m):
			score.Equal++
		default:
			score.excuse(m, classes)
		}
	}
	return score, nil
}

func (s *Score) excuse(m Mutation, classes []Class) {
	for _, c := range classes {
		if c.Path.MatchString(m.Path) {
			s.Excused[c.Name]++
			return
		}
	}
	s.Missed = append(s.Missed, m)
}

// equal says whether the mutation changes nothing for Kubernetes.
func equal(m Mutation) bool {
	list := m.After()
	if len(list) != 1 {
		return false
	}
	before, after := runtime.DeepCopyJSON(m.Before().Object), list[0].Object
	canonical(before)
	canonical(after)
	return reflect.DeepEqual(before, after)
}

// bench compares many variants of one list of objects.
type bench struct {
	want   Facts
	leaves leaves
	allow  Allowances
	// parts are the unchanged objects, read once.
	parts map[*unstructured.Unstructured]part
}

// complain is the first thing that is wrong with objects, empty if nothing is.
func (b bench) complain(objects []*unstructured.Unstructured) string {
	parts := make([]part, 0, len(objects))
	for _, object := range objects {
		p, known := b.parts[object]
		if !known {
			p = readObject(object)
		}
		parts = append(parts, p)
	}
	got, err := join(parts)
	if err != nil {
		return err.Error()
	}
	if list := compareWith(b.want, b.leaves, got, b.allow); len(list) > 0 {
		return list[0].String()
	}
	if extra := ExtraRights(b.want, got); !maps.EqualFunc(extra, b.allow.ExtraRights, slices.Equal) {
		return fmt.Sprintf("extra rights: %v", extra)
	}
	return ""
}
