// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package syscall

// withNode calls fn for what path leads to.
func withNode(path string, follow bool, fn func(n *node) error) error {
	lockFS()
	defer fsys.Unlock()

	p, err := existing(path, follow)
	if err != nil {
		return err
	}
	return fn(p.node)
}

// withFD calls fn for the open file fd.
func withFD(fd int, fn func(n *node) error) error {
	lockFS()
	defer fsys.Unlock()

	f, err := getFile(fd)
	if err != nil {
		return err
	}
	return fn(f.node)
}

func Stat(path string, st *Stat_t) error {
	return withNode(path, true, func(n *node) error { n.stat(st); return nil })
}

func Lstat(path string, st *Stat_t) error {
	return withNode(path, false, func(n *node) error { n.stat(st); return nil })
}

func Fstat(fd int, st *Stat_t) error {
	return withFD(fd, func(n *node) error { n.stat(st); return nil })
}

func (n *node) chmod(mode uint32) error {
	n.mode = n.mode&S_IFMT | mode&^S_IFMT
	return nil
}

func Chmod(path string, mode uint32) error {
	return withNode(path, true, func(n *node) error { return n.chmod(mode) })
}

func Fchmod(fd int, mode uint32) error {
	return withFD(fd, func(n *node) error { return n.chmod(mode) })
}

func (n *node) chown(uid, gid int) error {
	if uid != -1 {
		n.uid = uint32(uid)
	}
	if gid != -1 {
		n.gid = uint32(gid)
	}
	return nil
}

func Chown(path string, uid, gid int) error {
	return withNode(path, true, func(n *node) error { return n.chown(uid, gid) })
}

func Lchown(path string, uid, gid int) error {
	return withNode(path, false, func(n *node) error { return n.chown(uid, gid) })
}

func Fchown(fd int, uid, gid int) error {
	return withFD(fd, func(n *node) error { return n.chown(uid, gid) })
}

func UtimesNano(path string, ts []Timespec) error {
	// The value must match internal/syscall/unix/at_tamago.go.
	const UTIME_OMIT = -0x2

	if len(ts) != 2 {
		return EINVAL
	}
	return withNode(path, true, func(n *node) error {
		for i, at := range []*Timespec{&n.atime, &n.mtime} {
			if ts[i].Nsec != UTIME_OMIT {
				*at = ts[i]
			}
		}
		return nil
	})
}

func Truncate(path string, length int64) error {
	return withNode(path, true, func(n *node) error { return n.truncate(length) })
}

func Readlink(path string, buf []byte) (n int, err error) {
	err = withNode(path, false, func(at *node) error {
		if !at.isLink() {
			return EINVAL
		}
		n = copy(buf, at.target)
		return nil
	})
	return
}

func Mkdir(path string, perm uint32) error {
	lockFS()
	defer fsys.Unlock()

	for len(path) > 1 && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	return create(path, newNode(S_IFDIR|perm&0777))
}

func Symlink(path, link string) error {
	lockFS()
	defer fsys.Unlock()

	n := newNode(S_IFLNK | 0777)
	n.target = path
	return create(link, n)
}

func Link(path, link string) error {
	lockFS()
	defer fsys.Unlock()

	p, err := existing(path, false)
	if err != nil {
		return err
	}
	if p.node.isDir() {
		return EPERM
	}
	if err := create(link, p.node); err != nil {
		return err
	}
	p.node.nlink++
	return nil
}

func Unlink(path string) error {
	lockFS()
	defer fsys.Unlock()

	p, err := existing(path, false)
	if err != nil {
		return err
	}
	if p.node.isDir() {
		return EISDIR
	}
	p.remove()
	return nil
}

func Rmdir(path string) error {
	lockFS()
	defer fsys.Unlock()

	p, err := existing(path, false)
	switch {
	case err != nil:
		return err
	case !p.node.isDir():
		return ENOTDIR
	case p.name == "":
		return EBUSY
	case len(p.node.children) > 0:
		return ENOTEMPTY
	}
	p.remove()
	return nil
}

// namesItself reports whether a path ends in a name for a folder that is not
// its own.
func namesItself(path string) bool {
	for len(path) > 1 && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	n := len(path)
	return path == "." || path == ".." || n > 1 && path[n-2:] == "/." || n > 2 && path[n-3:] == "/.."
}

func Rename(from, to string) error {
	lockFS()
	defer fsys.Unlock()

	if namesItself(from) || namesItself(to) {
		return EBUSY
	}
	src, err := existing(from, false)
	if err != nil {
		return err
	}
	dst, err := lookup(to, false)
	switch {
	case err != nil:
		return err
	case src.name == "" || dst.name == "":
		return EBUSY
	case dst.isDir && !src.node.isDir():
		return ENOTDIR
	case src.node == dst.node:
		return nil
	case src.node.isDir() && len(dst.path) > len(src.path) && dst.path[:len(src.path)+1] == src.path+"/":
		return EINVAL // into itself
	}

	if old := dst.node; old != nil {
		switch {
		case old.isDir() && !src.node.isDir():
			return EISDIR
		case !old.isDir() && src.node.isDir():
			return ENOTDIR
		case len(old.children) > 0:
			return ENOTEMPTY
		}
		dst.remove()
	}

	delete(src.parent.children, src.name)
	src.parent.touch()
	dst.parent.children[dst.name] = src.node
	dst.parent.touch()
	return nil
}

func Getcwd(buf []byte) (n int, err error) {
	lockFS()
	defer fsys.Unlock()

	if len(fsys.cwd) > len(buf) {
		return 0, ERANGE
	}
	return copy(buf, fsys.cwd), nil
}

func chdir(p place) error {
	if !p.node.isDir() {
		return ENOTDIR
	}
	fsys.cwd = p.path
	return nil
}

func Chdir(path string) error {
	lockFS()
	defer fsys.Unlock()

	p, err := existing(path, true)
	if err != nil {
		return err
	}
	return chdir(p)
}

func Fchdir(fd int) error {
	lockFS()
	defer fsys.Unlock()

	f, err := getFile(fd)
	if err != nil {
		return err
	}
	return chdir(place{node: f.node, path: f.path})
}
