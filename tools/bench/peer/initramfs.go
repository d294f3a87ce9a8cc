package peer

import (
	"fmt"
	"os"

	"github.com/u-root/u-root/pkg/cpio"
)

// consoleMajor and consoleMinor are the device of /dev/console (Linux, Documentation/admin-guide/devices.txt). The
// kernel opens it for init, before anything is mounted.
const (
	consoleMajor = 5
	consoleMinor = 1
)

// writeInitramfs writes the initramfs: a cpio archive in the format "newc" (Linux,
// Documentation/driver-api/early-userspace/buffer-format.rst). The same input gives the same archive.
func writeInitramfs(path string, init []byte, k *Kernel) (err error) {
	records := []cpio.Record{cpio.StaticFile("init", string(init), 0o755)}
	for _, dir := range []string{"dev", "modules", "proc", "sys", "tmp"} {
		records = append(records, cpio.Directory(dir, 0o755))
	}
	records = append(records, cpio.CharDev("dev/console", 0o600, consoleMajor, consoleMinor))
	for _, name := range k.Modules {
		b, err := os.ReadFile(k.file(name))
		if err != nil {
			return err
		}
		records = append(records, cpio.StaticFile("modules/"+name, string(b), 0o644))
	}
	cpio.MakeAllReproducible(records)

	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	w := cpio.Newc.Writer(f)
	if err := cpio.WriteRecords(w, records); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return cpio.WriteTrailer(w)
}
