/* A library that an image puts where a process of the host might look one up. Whoever loads it leaves a mark:
   at EVIL_MARK, else in the root that it sees. */

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void mark(void) {
    const char *place = getenv("EVIL_MARK");
    int fd = open(place ? place : "/loaded", O_WRONLY | O_CREAT, 0666);
    if (fd >= 0)
        close(fd);
}
