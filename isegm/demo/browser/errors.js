// What goes wrong, with a message for people and a code for programs.

export class ApiError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}
