package main

import (
	"fmt"
	"sort"
	"strings"
)

var version = "unset"

func main() {
	words := strings.Fields("layers are diffs")
	sort.Strings(words)
	fmt.Println(version, strings.Join(words, " "))
}
