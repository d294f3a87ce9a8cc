package sockecho

import "mortise/stack/socket"

// Run is the task: a message a run. While more wait it is made ready again.
//
//oob:stage oob
func Run() {
	if m, status := echo.Receive(); status == socket.OK {
		echo.Reply(m, m.Len)
	}
}
