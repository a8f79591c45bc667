// SPDX-License-Identifier: BSD-3-Clause
// The guest's only process: init of the virtual machine, which does what the host asks for, one
// thing after the other, and ends the machine when it is told to.
//
// Requests and answers are JSON, one object a line, over the port "control":
//
//     <- {"ready":true}
//     -> {"do":"format","fs":"xfs"}                             <- {}
//     -> {"do":"mount","fs":"xfs"}                              <- {}
//     -> {"do":"share","path":"/home/me"}                       <- {}
//     -> {"do":"run","words":["run","cmap"],"folder":"/home/me"}   <- {"exit":0}
//     -> {"do":"load","subject":{...}}                          <- {}
//     -> {"do":"client"}                                        <- {"exit":0}
//     -> {"do":"recover","may_be_full":false,...}               <-
//     {"end":0,"code":0,"answer":"6b.."}
//     -> {"do":"keep","path":"/share/round-3"}                  <- {}
//     -> {"do":"format-disk","fs":"ext4","bytes":67108864}      <- {}      (images: see
//     -> {"do":"mount-disk","fs":"ext4","options":""}           <- {}       guest_images.h)
//     -> {"do":"client","marks":67108864}                       <- {"exit":0}
//     -> {"do":"end-marks","marks":67108864}                    <- {}
//     -> {"do":"images","subject":{...},"fs":"ext4",...}        <- {}
//     -> {"do":"image"}                                         <-
//     {"end":0,"code":0,"answer":"6b..","mount":"","kernel":""}
//     -> {"do":"panic"}
//     -> {"do":"power-off"}                                     <- {}
//
// What cannot be done is answered with {"error":"..."}. `panic` and `power-off` are obeyed while a
// `run` or a `client` is under way.
// Threads: none.
#ifndef FENCEPOST_HARNESS_VM_GUEST_AGENT_H_
#define FENCEPOST_HARNESS_VM_GUEST_AGENT_H_

namespace fencepost {

// REQUIRES: this process is init of a guest.
[[noreturn]] void RunGuestAgent();

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_VM_GUEST_AGENT_H_
