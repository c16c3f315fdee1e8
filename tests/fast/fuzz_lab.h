/* What is around the pumps of the fuzzer: a device, a peer and others to wait for.
 *
 * What comes out of the lab is checked as it is taken; whatever is wrong aborts.
 */
#ifndef TINCD_COMPAT_FUZZ_LAB_H
#define TINCD_COMPAT_FUZZ_LAB_H

#include "fuzz.h"

#define LIMIT 200u
/* More than may have a train at a time. */
#define PEERS (MAX_TRAINS + 2u)

/* A daemon and its peer, and who is behind the device. */
struct lab {
    struct pump pump;
    struct sealer sealer;
    struct opener opener;
    struct sptps_sealer sptps_sealer;
    struct sptps_opener sptps_opener;
    struct train train;
    struct sockaddr_storage near_address, far_address;
    int near, far, kernel;
    /* For waiting: beside the pump's own, somebody else's pipe. */
    int epoll, other, other_end;
};

/* Abort unless what the fuzzer itself takes for granted is right. */
void need(bool right, const char *what);

/* The lab for an input; its pump and sockets are made once. */
struct lab *enter(uint8_t choices, uint8_t suite_choice, size_t window);
void leave(struct lab *lab);

/* Let the source be one with a session, and so the peers; leave_session() is its end. */
void have_session(struct lab *lab, size_t window);
void leave_session(struct lab *lab);

/* Let the system refuse whatever is sent to a peer. */
void refuse(struct pump *pump);
/* Let something be read from the device: inputs are short, super-packets are long. */
void into_device(struct lab *lab, const struct packet *read, size_t more);
/* Let a frame be for ourselves, or for another node. */
void know_frame(struct lab *lab, const struct packet *frame, bool ours);
/* How much of a frame fits into a datagram, and is sent. */
size_t sent_length(const struct packet *frame);
/* Let frames wait in our socket, sealed or as they are; half of them are for ourselves. */
void send_frames(struct lab *lab, const struct packet *frames, size_t count, bool odd);
/* Let a frame wait in our socket as a record, or as it is if it can be none. */
void send_record(struct lab *lab, struct sptps_sealer *sealer, const struct packet *frame,
                 bool odd);
/* Count what was sent, whatever it is. */
size_t drain(struct lab *lab);
/* Count what was sent: all of it can be opened, and is not too long.  Not so if somebody
 * without a key has moved the window. */
size_t take_datagrams(struct lab *lab, bool odd);
/* Count the frames that were written, pieces cut again, and check that against what the
 * device has counted. */
size_t take_frames(struct lab *lab);

#endif
