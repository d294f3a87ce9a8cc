// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package syscall

import "slices"

// A file is an open node.
type file struct {
	node  *node
	path  string
	mode  int // as given to Open
	pos   int64
	names []string // of a folder: what ReadDirent has yet to return
}

// maxFile bounds a file's size: all of it is one allocation.
const maxFile = 1 << 30

func getFile(fd int) (*file, error) {
	if f := fsys.files[fd]; f != nil {
		return f, nil
	}
	return nil, EBADF
}

func newFD(f *file) int {
	for fd := 0; ; fd++ {
		if fsys.files[fd] == nil {
			fsys.files[fd] = f
			return fd
		}
	}
}

func Open(path string, openmode int, perm uint32) (int, error) {
	lockFS()
	defer fsys.Unlock()

	p, err := lookup(path, openmode&O_EXCL == 0)
	if err != nil {
		return -1, err
	}

	writes := openmode&(O_WRONLY|O_RDWR) != 0

	switch {
	case p.node == nil && openmode&O_CREATE == 0:
		return -1, ENOENT
	case p.node == nil && p.isDir:
		return -1, EISDIR
	case p.node == nil:
		p.node = newNode(S_IFREG | perm&0777)
		p.parent.children[p.name] = p.node
		p.parent.touch()
	case openmode&O_CREATE != 0 && openmode&O_EXCL != 0:
		return -1, EEXIST
	case p.node.isLink():
		return -1, ELOOP
	case p.node.isDir() && (writes || openmode&O_CREATE != 0):
		return -1, EISDIR
	case !p.node.isDir() && openmode&O_DIRECTORY != 0:
		return -1, ENOTDIR
	case openmode&O_TRUNC != 0 && writes && p.node.dev == nil:
		p.node.data = nil
		p.node.touch()
	}

	f := &file{node: p.node, path: p.path, mode: openmode}
	f.rewind()
	return newFD(f), nil
}

// rewind lets ReadDirent begin again, in the same order.
func (f *file) rewind() {
	f.names = nil
	for name := range f.node.children {
		f.names = append(f.names, name)
	}
	slices.Sort(f.names)
}

func Close(fd int) error {
	lockFS()
	defer fsys.Unlock()

	if _, err := getFile(fd); err != nil {
		return err
	}
	delete(fsys.files, fd)
	return nil
}

func CloseOnExec(fd int) {}

func Dup(fd int) (int, error) {
	lockFS()
	defer fsys.Unlock()

	f, err := getFile(fd)
	if err != nil {
		return -1, err
	}
	return newFD(f), nil
}

func Dup2(fd, newfd int) error {
	lockFS()
	defer fsys.Unlock()

	f, err := getFile(fd)
	if err == nil {
		fsys.files[newfd] = f
	}
	return err
}

func Pipe(fd []int) error { return ENOSYS }

func (f *file) readAt(b []byte, off int64) (int, error) {
	switch n := f.node; {
	case f.mode&(O_WRONLY|O_RDWR) == O_WRONLY:
		return 0, EBADF
	case n.isDir():
		return 0, EISDIR
	case n.dev != nil:
		return n.dev.read(b), nil
	case off < 0:
		return 0, EINVAL
	case off >= int64(len(n.data)):
		return 0, nil
	default:
		return copy(b, n.data[off:]), nil
	}
}

func (f *file) writeAt(b []byte, off int64) (int, error) {
	n := f.node
	switch {
	case f.mode&(O_WRONLY|O_RDWR) == 0:
		return 0, EBADF
	case n.dev != nil:
		return n.dev.write(b), nil
	case off < 0:
		return 0, EINVAL
	case off+int64(len(b)) > maxFile:
		return 0, EFBIG
	}

	if end := int(off) + len(b); end > len(n.data) {
		n.data = append(n.data, make([]byte, end-len(n.data))...)
	}
	n.touch()
	return copy(n.data[off:], b), nil
}

func Read(fd int, b []byte) (int, error) {
	lockFS()
	defer fsys.Unlock()

	f, err := getFile(fd)
	if err != nil {
		return 0, err
	}
	n, err := f.readAt(b, f.pos)
	f.pos += int64(n)
	return n, err
}

func Write(fd int, b []byte) (int, error) {
	lockFS()
	defer fsys.Unlock()

	f, err := getFile(fd)
	if err != nil {
		return 0, err
	}
	if f.mode&O_APPEND != 0 {
		f.pos = int64(len(f.node.data))
	}
	n, err := f.writeAt(b, f.pos)
	f.pos += int64(n)
	return n, err
}

func Pread(fd int, b []byte, offset int64) (int, error) {
	lockFS()
	defer fsys.Unlock()

	f, err := getFile(fd)
	if err != nil {
		return 0, err
	}
	return f.readAt(b, offset)
}

func Pwrite(fd int, b []byte, offset int64) (int, error) {
	lockFS()
	defer fsys.Unlock()

	f, err := getFile(fd)
	if err != nil {
		return 0, err
	}
	return f.writeAt(b, offset)
}

func Seek(fd int, offset int64, whence int) (int64, error) {
	lockFS()
	defer fsys.Unlock()

	f, err := getFile(fd)
	if err != nil {
		return 0, err
	}

	switch whence {
	case 0:
	case 1:
		offset += f.pos
	case 2:
		offset += int64(len(f.node.data))
	default:
		return 0, EINVAL
	}
	if offset < 0 {
		return 0, EINVAL
	}

	if f.node.isDir() {
		f.rewind()
	}
	f.pos = offset
	return offset, nil
}

func ReadDirent(fd int, buf []byte) (n int, err error) {
	lockFS()
	defer fsys.Unlock()

	f, err := getFile(fd)
	if err != nil {
		return 0, err
	}
	if !f.node.isDir() {
		return 0, ENOTDIR
	}

	for len(f.names) > 0 {
		// The layout of Dirent: a length that counts itself, a name.
		name := f.names[0]
		size := 2 + len(name)
		if n+size > len(buf) {
			if n == 0 {
				return 0, EINVAL
			}
			break
		}
		buf[n] = byte(size)
		buf[n+1] = byte(size >> 8)
		copy(buf[n+2:], name)
		n += size
		f.names = f.names[1:]
	}
	return n, nil
}

func Fsync(fd int) error {
	lockFS()
	defer fsys.Unlock()

	_, err := getFile(fd)
	return err
}

func (n *node) truncate(length int64) error {
	switch {
	case n.isDir():
		return EISDIR
	case length < 0:
		return EINVAL
	case length > maxFile:
		return EFBIG
	case n.dev != nil:
		return nil
	}

	data := make([]byte, length)
	copy(data, n.data)
	n.data = data
	n.touch()
	return nil
}

func Ftruncate(fd int, length int64) error {
	lockFS()
	defer fsys.Unlock()

	f, err := getFile(fd)
	if err != nil {
		return err
	}
	return f.node.truncate(length)
}
