// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// sources are what a package is made of, tests apart.
type sources struct {
	// dir is its folder below the root, with slashes; name is what it calls itself.
	dir, name string
	// files are by their paths below the root, with slashes.
	files map[string][]byte
}

func readSources(root, dir string) (sources, error) {
	s := sources{dir: dir, files: map[string][]byte{}}
	entries, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(dir)))
	if err != nil {
		return s, fmt.Errorf("looking for the files of %s: %w", dir, err)
	}
	for _, e := range entries {
		if path.Ext(e.Name()) != ".go" || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file := path.Join(dir, e.Name())
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			return s, fmt.Errorf("reading %s: %w", file, err)
		}
		clause, err := parser.ParseFile(token.NewFileSet(), file, text, parser.PackageClauseOnly)
		if err != nil {
			return s, fmt.Errorf("reading %s: %w", file, err)
		}
		s.name, s.files[file] = clause.Name.Name, text
	}
	return s, nil
}

// mutants are those whose key match finds, by file and place; nil finds all.
func (s sources) mutants(match *regexp.Regexp) ([]Mutant, error) {
	var all []Mutant
	for file, text := range s.files {
		found, err := Find(file, text)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	all = slices.DeleteFunc(all, func(m Mutant) bool { return match != nil && !match.MatchString(m.Key()) })
	slices.SortStableFunc(all, func(a, b Mutant) int { return strings.Compare(a.File, b.File) })
	return all, nil
}

// combined are the files with the mutants that share a binary, by number.
func (s sources) combined(mutants map[int]Mutant) map[string][]byte {
	files := map[string][]byte{path.Join(s.dir, chooserFile): chooserSource(s.name)}
	for file, text := range s.files {
		mine := map[int]Mutant{}
		for number, m := range mutants {
			if m.File == file {
				mine[number] = m
			}
		}
		if len(mine) > 0 {
			files[file] = combine(text, mine)
		}
	}
	return files
}
