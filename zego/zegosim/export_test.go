package zegosim

// SignCallback is for the published vectors.
var SignCallback = signCallback
