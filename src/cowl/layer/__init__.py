"""Layers: file trees and the tars that they come from and go to. For store, build and transfer.

A layer's tree on disk, its *diff form*, is what overlayfs takes with `userxattr`: plain files, a 0:0
character device for a name that is removed (whiteout), `user.overlay.opaque=y` on a directory that
hides what lies below it; no other `user.overlay.*` or `trusted.*`, of `security.*` only
`security.capability`, no device nodes.
"""
