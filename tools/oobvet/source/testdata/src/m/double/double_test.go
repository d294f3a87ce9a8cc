package double

//oob:stage whatever
func helper() { go helper() }
