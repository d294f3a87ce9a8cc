package directives

var list []uint32

//oob:stage oob
//oob:allow alloc,pointer a fault injected by a test
func allowed() { // want allowed:"oob"
	list = make([]uint32, 1)
}

//oob:stage oob
func lines(n uint32) { // want lines:"oob"
	list = nil //oob:allow pointer this line alone
	list = nil // want `oob code stores a pointer`
	//oob:allow pointer the line below
	list = nil
	list = nil // want `oob code stores a pointer`
}

//oob:stage oob
//oob:allow recursion a fault injected by a test
func again() { again() } // want again:"oob"

//oob:stage oob
//oob:allow call what it calls breaks the rules on purpose
func breaks() { broken() } // want breaks:"oob"

func broken() { go broken() }

//oob:stage oob
//oob:allow map not needed // want `//oob:allow map: nothing here needs it \[stage\]`
func idle() { // want idle:"oob"
	//oob:loop 4 nothing to count // want `//oob:loop: oob code has nothing here that it is for`
	//oob:calls idle no call // want `//oob:calls: oob code has nothing here that it is for`
}

//oob:stage oob
//oob:allow alloc // want `//oob:allow alloc: say why`
//oob:allow speed to be fast // want `//oob:allow speed: there is no such rule`
func reasons() { // want reasons:"oob"
	//oob:loop 4 // want `//oob:loop 4: say why`
	for range list {
	}
	//oob:total 4 reasons // want `//oob:total 4: say why`
	for range list {
	}
}

var task func()

//oob:stage oob
func tasks() { // want tasks:"oob"
	//oob:calls idle,lines the table of tasks holds no other
	task()
	task() // want `oob code calls through a func value`
}

//oob:loop 4 outside of a body // want `//oob:loop is for a line in a function: on it or on the one above`
func outside() {}

//oob:stage sometimes // want `stage "sometimes": want oob, any, inband, init`
func sometimes() {}

//oob:stage oob // a comment on it
//oob:stage any // want `twice says its stage twice`
func twice() {} // want twice:"oob"

//oob:stage oob // want `//oob:stage is for a function: the last line of its doc comment`

func apart() {}

//oob:loops 4 // want `unknown directive //oob:loops: want stage, allow, loop, total, calls`
func unknown() {}

//oob:allow alloc because // want `//oob:allow is for a function, in its doc comment, or for a line in it`
var x uint32

// oob:stage oob // want `a directive has no space behind //: it would be text`
func spaced() {}
