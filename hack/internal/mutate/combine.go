// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// chooser is the variable that says which mutant runs, chosenBy the environment
// variable that it is read from, and chooserFile where it is declared.
const (
	chooser     = "chosenMutant"
	chosenBy    = "CHOSEN_MUTANT"
	chooserFile = "zz_chosen_mutant.go"
)

func chooserSource(packageName string) []byte {
	return fmt.Appendf(nil, "package %s\n\nimport \"os\"\n\nvar %s = os.Getenv(%q)\n", packageName, chooser, chosenBy)
}

// combine adds, for each of the mutants of one source, a changed copy of its function,
// and lets each function call the copy that is chosen. The mutants are by number.
func combine(source []byte, mutants map[int]Mutant) []byte {
	calls := map[int]string{} // by where they belong
	var copies strings.Builder
	for _, number := range slices.Sorted(maps.Keys(mutants)) {
		s := mutants[number].site
		suffix := fmt.Sprintf("Mutant%d", number)
		calls[s.body] += fmt.Sprintf(` case "%d": %s;`, number, fmt.Sprintf(s.call, suffix))
		changed := mutants[number].Apply(source)
		end := s.end + len(changed) - len(source)
		// The compiler's errors name the file that this line says: see culprits.
		fmt.Fprintf(&copies, "\n//line mutant_%d.go:1\n%s%s%s\n", number, changed[s.start:s.nameEnd], suffix, changed[s.nameEnd:end])
	}
	var out strings.Builder
	from := 0
	for _, at := range slices.Sorted(maps.Keys(calls)) {
		fmt.Fprintf(&out, "%s switch %s {%s };", source[from:at], chooser, calls[at])
		from = at
	}
	out.Write(source[from:])
	out.WriteString(copies.String())
	return []byte(out.String())
}

var culprit = regexp.MustCompile(`mutant_(\d+)\.go:`)

// culprits are the numbers of the mutants that the compiler complains about.
func culprits(output string) []int {
	numbers := map[int]bool{}
	for _, match := range culprit.FindAllStringSubmatch(output, -1) {
		if number, err := strconv.Atoi(match[1]); err == nil {
			numbers[number] = true
		}
	}
	return slices.Sorted(maps.Keys(numbers))
}
