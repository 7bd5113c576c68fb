package configfile

import "os"

// SetWrite sets what writes data into a new file.
func (f *File) SetWrite(write func(*os.File, []byte) (int, error)) { f.write = write }
