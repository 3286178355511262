// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/csi-operator/csi-operator/hack/internal/repo"
)

// pure are the packages whose tests are held to account: they decide everything,
// and their tests are fast.
func pure() []Package {
	return []Package{
		{Dir: "internal/desired"},
		{Dir: "internal/sidecar", Also: []string{"internal/desired"}},
		{Dir: "internal/health"},
		{Dir: "internal/plan"},
		{Dir: "internal/taint"},
	}
}

// Main runs the command line: flags, then packages, of which none means all. The
// error says what is to be done about survivors.
func Main(ctx context.Context, arguments []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.SetOutput(progress)
	match := flags.String("match", "", "try only the mutants whose key this regular expression finds")
	workers := flags.Int("workers", runtime.NumCPU(), "how many mutants to try at a time")
	file := flags.String("justified", "hack/mutate/justified.txt", "the file of justified survivors, below the root")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	root, err := repo.Root(".")
	if err != nil {
		return err
	}
	o := Options{Root: root, Workers: *workers, Progress: progress}
	if o.Match, err = regexp.Compile(*match); err != nil {
		return fmt.Errorf("reading -match: %w", err)
	}
	justified, err := readJustified(filepath.Join(root, *file), o.Match)
	if err != nil {
		return err
	}
	packages, err := choose(flags.Args())
	if err != nil {
		return err
	}
	var results []Result
	for _, p := range packages {
		r, err := Run(ctx, p, o)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	return report(out, results, justified)
}

// choose finds packages by their folders.
func choose(folders []string) ([]Package, error) {
	if len(folders) == 0 {
		return pure(), nil
	}
	var chosen []Package
	for _, folder := range folders {
		i := slices.IndexFunc(pure(), func(p Package) bool { return p.Dir == folder })
		if i < 0 {
			return nil, fmt.Errorf("%q is not a package whose mutants are tried", folder)
		}
		chosen = append(chosen, pure()[i])
	}
	return chosen, nil
}

// readJustified leaves out what a run does not look at.
func readJustified(file string, match *regexp.Regexp) (Justified, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the justified survivors: %w", err)
	}
	all, err := ParseJustified(string(text))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	looked := Justified{}
	for key, reason := range all {
		if !slices.ContainsFunc(pure(), func(p Package) bool { return strings.HasPrefix(key, p.Dir+"/") }) {
			return nil, fmt.Errorf("%s justifies what is in none of the packages: %s", file, key)
		}
		if match.MatchString(key) {
			looked[key] = reason
		}
	}
	return looked, nil
}

// report writes the outcome; the error says what is wrong with it.
func report(out io.Writer, results []Result, justified Justified) error {
	unexplained, stale := Judge(results, justified)
	for _, m := range unexplained {
		if _, err := fmt.Fprintln(out, "survived:", m); err != nil {
			return err
		}
	}
	for _, key := range stale {
		if _, err := fmt.Fprintln(out, "justified, but does not survive:", key); err != nil {
			return err
		}
	}
	if err := WriteTable(out, results, justified); err != nil {
		return err
	}
	if len(unexplained)+len(stale) > 0 {
		return fmt.Errorf("%d survivors are not justified, %d justifications are stale: "+
			"add assertions, remove code that is not needed, or edit the file of justified survivors", len(unexplained), len(stale))
	}
	return nil
}
