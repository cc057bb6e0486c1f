"""Images as users see them: views, history rows, the inspect JSON."""
