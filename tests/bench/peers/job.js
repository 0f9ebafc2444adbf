// The job that everybody is given.
module.exports = { params: { crf: 23, preset: "medium" }, input: "/media/in.mp4" };
