//go:build tamago || amd64 || !amd64

package double

//oob:stage oob
func entry() { // want entry:"oob"
	read()
	silent()
}
