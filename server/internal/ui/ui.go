// Package ui holds the dashboard: plain HTML, CSS and ES modules that need no
// build step and load nothing from elsewhere. It depends on no HTTP library:
// its server looks files up by path.
package ui

import (
	"embed"
	"path"
	"strings"
)

//go:embed static
var files embed.FS

// File is one file of the dashboard, and the headers it must be served with.
type File struct {
	Body        []byte
	ContentType string
	// CSP is the Content-Security-Policy of this file.
	CSP string
}

const (
	// Everything comes from this server; no inline code, no plugins, no
	// frames around the page, and forms are handled by script only.
	pageCSP = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	// The viewer shows a report file from the user's disk, which is not to be
	// trusted: it is rendered without scripts and without network access,
	// under an origin of its own, so that it cannot reach the page around it.
	viewerCSP = "sandbox allow-scripts; default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)

// Lookup finds a file by its path below the dashboard's root; "" is the page.
func Lookup(name string) (File, bool) {
	if name == "" {
		name = "index.html"
	}
	body, err := files.ReadFile("static/" + name)
	if err != nil {
		return File{}, false
	}
	f := File{Body: body, ContentType: contentType(name), CSP: pageCSP}
	if strings.HasPrefix(name, "viewer.") {
		f.CSP = viewerCSP
	}
	return f, true
}

// contentType does not use the operating system's tables, which differ.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return "application/octet-stream"
}
