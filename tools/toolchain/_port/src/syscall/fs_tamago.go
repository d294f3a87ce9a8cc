// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package syscall

import "sync"

// The file system is a tree in memory. It begins with what programs take for
// granted: /dev/null, /dev/zero, /dev/random, /dev/urandom, the console, and
// the folders /tmp and /etc. Nothing in it survives a reset.

// now is provided by package runtime.
func now() (sec int64, nsec int32)

// A node is a file, a folder, a symbolic link or a device.
type node struct {
	ino      uint64
	mode     uint32 // type and permissions
	nlink    uint32
	uid, gid uint32
	atime    Timespec // as set: reading does not change it
	mtime    Timespec
	data     []byte           // of a file
	children map[string]*node // of a folder
	target   string           // of a symbolic link
	dev      device           // of a device
}

const maxSymlinks = 40

var fsys struct {
	sync.Mutex
	once  sync.Once
	root  *node
	cwd   string
	ino   uint64
	files map[int]*file
}

// lockFS locks the file system, made at its first use.
func lockFS() {
	fsys.once.Do(initFS)
	fsys.Lock()
}

func initFS() {
	fsys.root = newNode(S_IFDIR | 0777)
	fsys.cwd = "/"
	fsys.files = map[int]*file{}

	for _, name := range []string{"dev", "etc", "tmp"} {
		fsys.root.children[name] = newNode(S_IFDIR | 0777)
	}
	for name, d := range devices {
		n := newNode(S_IFCHR | 0666)
		n.dev = d
		fsys.root.children["dev"].children[name] = n
	}

	console := fsys.root.children["dev"].children["console"]
	for fd := 0; fd < 3; fd++ {
		fsys.files[fd] = &file{node: console, path: "/dev/console", mode: O_RDWR}
	}
}

func newNode(mode uint32) *node {
	fsys.ino++
	n := &node{ino: fsys.ino, mode: mode, nlink: 1}
	if n.isDir() {
		n.children = map[string]*node{}
	}
	n.touch()
	n.atime = n.mtime
	return n
}

func (n *node) isDir() bool  { return n.mode&S_IFMT == S_IFDIR }
func (n *node) isLink() bool { return n.mode&S_IFMT == S_IFLNK }

func (n *node) touch() {
	sec, nsec := now()
	n.mtime = Timespec{Sec: sec, Nsec: int64(nsec)}
}

func (n *node) stat(st *Stat_t) {
	size := len(n.data)
	if n.isLink() {
		size = len(n.target)
	}
	*st = Stat_t{
		Dev: 1, Ino: n.ino, Mode: n.mode, Nlink: n.nlink, Uid: n.uid, Gid: n.gid,
		Size: int64(size), Blksize: 512, Blocks: int32((int64(size) + 511) / 512),
		Atime: n.atime.Sec, AtimeNsec: n.atime.Nsec,
		Mtime: n.mtime.Sec, MtimeNsec: n.mtime.Nsec,
		Ctime: n.mtime.Sec, CtimeNsec: n.mtime.Nsec,
	}
}

// absPath returns path from the root on, not cleaned.
func absPath(path string) string {
	if path[0] == '/' {
		return path
	}
	return fsys.cwd + "/" + path
}

// elements splits a path at its slashes.
func elements(path string) (list []string) {
	start := 0
	for i := 0; i <= len(path); i++ {
		if i == len(path) || path[i] == '/' {
			if e := path[start:i]; e != "" && e != "." {
				list = append(list, e)
			}
			start = i + 1
		}
	}
	return list
}

// endsInDir reports whether a path can lead to a folder only.
func endsInDir(path string) bool {
	n := len(path)
	return n > 0 && path[n-1] == '/' || path == "." || n > 1 && path[n-2:] == "/."
}

// A place is where a path leads: a folder, the name in it, and what the name
// stands for, if anything. The root is its own parent, with an empty name.
type place struct {
	parent *node
	name   string
	node   *node
	path   string // without links, "." and ".."
	isDir  bool   // or will be: the path says so
}

// lookup follows path. A symbolic link at its end is followed on demand.
func lookup(path string, follow bool) (place, error) {
	if path == "" {
		return place{}, ENOENT
	}
	for i := 0; i < len(path); i++ {
		if path[i] == 0 {
			return place{}, EINVAL
		}
	}
	mustDir := endsInDir(path)

	walked := []place{{parent: fsys.root, node: fsys.root, path: "/"}}
	rest := elements(absPath(path))

	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		at := walked[len(walked)-1]

		if at.node == nil {
			return place{}, ENOENT
		}
		if !at.node.isDir() {
			return place{}, ENOTDIR
		}
		if name == ".." {
			if len(walked) > 1 {
				walked = walked[:len(walked)-1]
			}
			continue
		}

		next := place{parent: at.node, name: name, node: at.node.children[name]}
		if next.path = at.path + "/" + name; at.path == "/" {
			next.path = "/" + name
		}

		if n := next.node; n != nil && n.isLink() && (len(rest) > 0 || follow || mustDir) {
			if links++; links > maxSymlinks {
				return place{}, ELOOP
			}
			mustDir = mustDir || len(rest) == 0 && endsInDir(n.target)
			rest = append(elements(n.target), rest...)
			if n.target != "" && n.target[0] == '/' {
				walked = walked[:1]
			}
			continue
		}
		walked = append(walked, next)
	}

	p := walked[len(walked)-1]
	p.isDir = mustDir
	if mustDir && p.node != nil && !p.node.isDir() {
		return place{}, ENOTDIR
	}
	return p, nil
}

// existing is lookup for what must be there.
func existing(path string, follow bool) (place, error) {
	p, err := lookup(path, follow)
	if err == nil && p.node == nil {
		err = ENOENT
	}
	return p, err
}

// create puts n where path leads and nothing is yet.
func create(path string, n *node) error {
	p, err := lookup(path, false)
	if err != nil {
		return err
	}
	if p.node != nil {
		return EEXIST
	}
	if p.isDir && !n.isDir() {
		return ENOENT
	}
	p.parent.children[p.name] = n
	p.parent.touch()
	return nil
}

// remove takes the name away from its folder.
func (p place) remove() {
	delete(p.parent.children, p.name)
	p.parent.touch()
	p.node.nlink--
}
