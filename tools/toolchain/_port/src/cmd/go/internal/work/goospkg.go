// This file is part of Mortise's port of GOOS=tamago.

//go:build !tamago

package work

import (
	"cmd/go/internal/base"
	"cmd/go/internal/cfg"
	"cmd/go/internal/fsys"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// overlayGOOSPKG lays the package named by GOOSPKG, that is its folder goos,
// over runtime/goos. The module graph that finds it is that of the build: the
// go command asks itself, in a process of its own because the module loader
// keeps its state.
func overlayGOOSPKG() error {
	pkg := cfg.Getenv("GOOSPKG")
	if cfg.Goos != "tamago" || pkg == "" || pkg == "off" {
		return nil
	}

	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("GOOSPKG: %v", err)
	}

	args := []string{"list", "-find", "-f", "{{.Dir}}"}
	if cfg.BuildMod != "" {
		args = append(args, "-mod="+cfg.BuildMod)
	}
	if cfg.ModFile != "" {
		args = append(args, "-modfile="+cfg.ModFile)
	}
	if fsys.OverlayFile != "" {
		args = append(args, "-overlay="+fsys.OverlayFile)
	}

	var stderr strings.Builder
	cmd := exec.Command(exe, append(args, "--", pkg+"/goos")...)
	cmd.Dir = base.Cwd()
	cmd.Env = append(cfg.OrigEnv[:len(cfg.OrigEnv):len(cfg.OrigEnv)], "GOOSPKG=off", "PWD="+cmd.Dir)
	cmd.Stderr = &stderr

	out, err := cmd.Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		msg := strings.TrimSpace(stderr.String())
		if msg == "" {
			msg = fmt.Sprint(err)
		}
		return fmt.Errorf("GOOSPKG=%s: cannot find package %s/goos: %s", pkg, pkg, msg)
	}

	return fsys.ReplaceDir(dir, filepath.Join(cfg.GOROOTsrc, "runtime", "goos"))
}
