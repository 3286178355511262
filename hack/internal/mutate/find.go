// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// Find lists the mutants of a source file, in the order of the source. path is
// what they name as their file.
func Find(path string, source []byte) ([]Mutant, error) {
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, path, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	f := &finder{path: path, source: source, file: set.File(syntax.FileStart), edits: map[edit]bool{}, changes: map[string]int{}}
	for _, declaration := range syntax.Decls {
		f.declaration(declaration)
	}
	return f.mutants, nil
}

// finder collects the mutants of one file.
type finder struct {
	path     string
	source   []byte
	file     *token.File
	function string
	site     *site
	mutants  []Mutant
	// edits are those made so far: two mutators may mean the same.
	edits map[edit]bool
	// changes counts changes that read alike, by function.
	changes map[string]int
}

func (f *finder) declaration(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Body != nil {
			f.function, f.site = functionName(d), f.siteOf(d)
			f.walk(d.Body)
		}
	case *ast.GenDecl:
		f.values(d)
	}
}

// values are the mutants of constants and variables outside of functions.
func (f *finder) values(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		values, ok := spec.(*ast.ValueSpec)
		if !ok {
			continue
		}
		f.function, f.site = values.Names[0].Name, nil
		for _, value := range values.Values {
			f.walk(value)
		}
	}
}

func functionName(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return d.Name.Name
	}
	receiver := d.Recv.List[0].Type
	for {
		switch r := receiver.(type) {
		case *ast.StarExpr:
			receiver = r.X
		case *ast.IndexExpr:
			receiver = r.X
		case *ast.Ident:
			return r.Name + "." + d.Name.Name
		default:
			return d.Name.Name
		}
	}
}

// walk visits what is below a node, but for types.
func (f *finder) walk(root ast.Node) {
	ast.Inspect(root, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.ArrayType, *ast.StructType, *ast.InterfaceType, *ast.FuncType, *ast.MapType:
			return false
		case *ast.TypeSwitchStmt:
			// What it switches on looks like a statement and is none.
			f.walk(n.Body)
			return false
		case *ast.ReturnStmt:
			return !f.fails(n)
		case ast.Stmt:
			f.statement(n)
		case ast.Expr:
			return f.expression(n)
		}
		return true
	})
}

func (f *finder) offset(p token.Pos) int { return f.file.Offset(p) }

// text is the source of a node.
func (f *finder) text(n ast.Node) string { return f.between(n.Pos(), n.End()) }

func (f *finder) between(start, end token.Pos) string {
	return string(f.source[f.offset(start):f.offset(end)])
}

// replace adds a mutant with text in the place of a node.
func (f *finder) replace(n ast.Node, text string) { f.put(n.Pos(), n.End(), text) }

// put adds a mutant with text in the place of what stands from start to end.
func (f *finder) put(start, end token.Pos, text string) {
	old := f.between(start, end)
	f.add(start, end, text, quote(old)+" => "+quote(text)+f.in(start, old))
}

// remove adds a mutant without what stands from start to end, which is a node and
// what parts it from others.
func (f *finder) remove(n ast.Node, start, end token.Pos) {
	f.add(start, end, "", "remove "+quote(f.text(n))+f.in(n.Pos(), f.text(n)))
}

func (f *finder) add(start, end token.Pos, text, change string) {
	e := edit{f.offset(start), f.offset(end), text}
	if f.edits[e] {
		return
	}
	f.edits[e] = true
	place := f.function + ": " + change
	f.changes[place]++
	if n := f.changes[place]; n > 1 {
		change = fmt.Sprintf("%s (%d)", change, n)
	}
	f.mutants = append(f.mutants, Mutant{
		File: f.path, Line: f.file.Line(start), Function: f.function, Change: change, edit: e, site: f.site,
	})
}

// in quotes the line around some code; it says nothing if that is all of it.
func (f *finder) in(at token.Pos, code string) string {
	start := f.offset(f.file.LineStart(f.file.Line(at)))
	line, _, _ := strings.Cut(string(f.source[start:]), "\n")
	if strings.Contains(code, "\n") || strings.TrimSpace(line) == code {
		return ""
	}
	return " in " + quote(line)
}
